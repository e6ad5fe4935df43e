//! The words for each kind of personal data and for what looks alike, in French and English, folded to plain small letters.

use super::kind::PersonalKind;

/// Phrases of one kind, with commas between.
pub struct Vocabulary {
    pub kind: PersonalKind,
    /// The name alone is enough.
    pub strong: &'static str,
    /// Values must bear it out.
    pub weak: &'static str,
    /// Names of what looks alike.
    pub against: &'static str,
    /// More of them.
    pub against_too: &'static str,
    /// Beside the phrase they say that the column is about the thing: its date, its country, whether it was checked.
    pub about: &'static str,
}

/// Words that turn a phrase into something about it, whatever the kind.
pub const ABOUT: &str = "status, statut, state, etat, count, nb, nbr, nombre, type, verified, verifie, verifiee, valid, valide, validation, optin, \
    optout, consent, consentement, sent, envoye, envoyes, template, provider, operator, operateur, domain, domaine, version, error, \
    erreur, rate, taux, score, total, sum, avg, mean, pct, percent, ratio, length, size, taille, channel, canal, preference, lang, \
    langue, language, brand, marque, model, modele, price, prix, cost, cout, amount, montant, plan, forfait, prefix, indicatif, \
    duration, duree, minutes, expiry, expiration, hash, md, sha, bounced, priority";

/// Words of numbers that are made to be written on orders, parcels and goods; they may have check digits of their own.
pub const CODES: &str = "order, commande, invoice, facture, ref, reference, tracking, suivi, colis, parcel, shipment, expedition, imei, serial, serie, \
    sku, ean, gtin, upc, isbn, issn, barcode, lot, batch, ticket, transaction, part, piece, article, item, product, produit, \
    dossier, version, build, release, asset, meter, compteur, pdl, prm, policy, police, contract, contrat, fidelite, loyalty, \
    voucher, coupon, gift, cadeau, quote, devis, bon, livraison, case, iccid, cde, cmd, fact, bl, bordereau, booking, reservation, \
    claim, sinistre, loan, sample, echantillon, catalog, catalogue, mpn, oem, model, modele, nomenclature, gln, sscc, po, inv, \
    waybill, consignment, achat, purchase, tx, panier, basket, cart, vente, sale, receipt, recu, caisse, ord, track";

/// People by what they do or are: beside `nom` or `name` they say that the name is a person's.
pub const PEOPLE: &str = "patient, employee, employe, salarie, passenger, passager, doctor, medecin, docteur, praticien, teacher, enseignant, professeur, \
    prof, student, etudiant, eleve, candidat, candidate, conducteur, driver, conjoint, spouse, mere, pere, mother, father, person, \
    personne, people, player, joueur, nurse, infirmier, holder, titulaire, assure, adherent, locataire, tenant, author, auteur, \
    vendeur, manager, responsable, signataire, agent, parent, child, enfant, guardian, tuteur, member, membre, salesperson, \
    recruiter, technicien, technician, gestionnaire, referent, emergency contact, directeur, redacteur, guest";

/// Phrases that no look-alike's word takes back: nothing but a person has them.
pub const SURE_NAMES: &str = "prenom, firstname, first name, lastname, last name, surname, maiden name, forename, nom jeune fille, nom naissance, given name, \
    patronyme";

/// Words that other phrases are made with.
pub const FRAME: &str = "date, dt, num, numero, no, number, code, nom, name, id";

/// One for each kind.
pub static VOCABULARIES: [Vocabulary; 14] = [
    Vocabulary {
        kind: PersonalKind::Email,
        strong: "email, mail, courriel, adresse electronique, e mail, adresse messagerie, mailto",
        weak: "mel, contact, login, username, user, messagerie, recipient, destinataire, sender, expediteur, cc, reply to",
        against: "",
        against_too: "",
        about: "date, code, flag, is, has, est, subject, objet, body, server, serveur, campaign, campagne",
    },
    Vocabulary {
        kind: PersonalKind::Phone,
        strong: "tel, telephone, phone, fax, gsm, cellphone, msisdn, telefon, telecopie, landline, numero appel, caller number, contact \
            number, numero appelant, tph, mobile number, cell number, numero portable, num portable, numero mobile, telefax",
        weak: "mobile, portable, cell, fixe, whatsapp, sms, contact, caller, callee, appelant, appele, joindre, standard",
        against: CODES,
        against_too: "id, identifiant, matricule, code",
        about: "date, code, flag, is, has, est, country, pays, extension, poste, os, coque, line type, usage",
    },
    Vocabulary {
        kind: PersonalKind::Iban,
        strong: "iban, rib, bank account, bank account number, compte bancaire, coordonnees bancaires, num compte bancaire, account iban",
        weak: "account number, num compte, numero compte, account no, compte, account, prelevement, creditor, debtor",
        against: "",
        against_too: "",
        about: "date, flag, is, has, country, pays, bic, swift, name, nom, holder, titulaire, balance, solde",
    },
    Vocabulary {
        kind: PersonalKind::PaymentCard,
        strong: "card number, credit card, cb, carte bancaire, carte bleue, carte credit, carte paiement, cc number, cc num, ccnum, card \
            no, card num, payment card, debit card, bank card, num cb, numero carte bancaire, creditcard",
        weak: "num carte, numero carte, no carte, card, carte, pan, cc, payment, paiement",
        against: CODES,
        against_too: "id, identifiant, identifier, key, cle, code",
        about: "date, name, nom, holder, titulaire, issuer, network, reseau, identite, vitale, flag, is, has, cvv, last",
    },
    Vocabulary {
        kind: PersonalKind::Nir,
        strong: "nir, secu, numsecu, securite sociale, nss, num insee, numero insee, carte vitale, num vitale, nosecu, numero ss, num ss, \
            immatriculation sociale",
        weak: "ssn, social security, ss, matricule, assure, insee",
        against: CODES,
        against_too: "",
        about: "date, caisse, regime, centre, organisme, flag, is, has, code",
    },
    Vocabulary {
        kind: PersonalKind::Siret,
        strong: "siret, siren, num siret, num siren",
        weak: "immatriculation, rcs, company number, establishment, etablissement, entreprise, societe, company, fournisseur, supplier",
        against: CODES,
        against_too: "",
        about: "date, flag, is, has, naf, ape",
    },
    Vocabulary {
        kind: PersonalKind::NationalId,
        strong: "ssn, social security, nino, national insurance, ni number, national id, cni, carte identite, identity card, id card, \
            piece identite, driver license, driver licence, drivers license, driving licence, driving license, permis conduire, dni, \
            nie, nif, codice fiscale, fiscal code, registre national, national number, numero fiscal, num fiscal, tax id, taxpayer, \
            identity number, licence number driver, titre sejour, numero identite, num identite, identity no, ss number, carte \
            sejour",
        weak: "permis, tin, identite, identity, identifiant national",
        against: CODES,
        against_too: "",
        about: "date, country, pays, flag, is, has, delivrance, issued, class, categorie, lieu, place",
    },
    Vocabulary {
        kind: PersonalKind::Passport,
        strong: "passport, passeport, mrz, travel document",
        weak: "document number, num document, numero document, identity, identite, id document",
        against: "",
        against_too: "",
        about: "date, country, pays, flag, is, has, delivrance, issued, name, nom, lieu, place, office",
    },
    Vocabulary {
        kind: PersonalKind::IpAddress,
        strong: "ip, ipaddr, ipaddress, ip address, adresse ip, client ip, ip src, ip dst",
        weak: "remote addr, remote host, forwarded for, src, dst, source, destination, host, hote, client, peer, addr, address, \
            adresse, server",
        against: "version, build, release, firmware, software, logiciel, revision, oid, section, chapter, chapitre, clause, paragraphe, \
            numero section, sw, ver, rev, kernel, driver, api, schema, protocol",
        against_too: "",
        about: "country, pays, city, ville, region, flag, is, has, port, mask, masque, subnet, network, asn",
    },
    Vocabulary {
        kind: PersonalKind::MacAddress,
        strong: "mac, macaddr, macaddress, adresse mac, mac address, hardware address, hw addr, bssid, adresse physique, physical address",
        weak: "wifi, ethernet, bluetooth, device, appareil, equipement, hw, station",
        against: "hash, checksum, commit, sha",
        against_too: "",
        about: "vendor, constructeur, os, flag, is, has",
    },
    Vocabulary {
        kind: PersonalKind::PostalAddress,
        strong: "adresse, address, addr, adr, adresses, rue, street, voie, domicile, lieu dit, postal address, home address, numero rue, \
            streetaddress, siege social, registered office, mailing address",
        weak: "residence, location, localisation, livraison, delivery, shipping, billing, facturation, place, lieu, siege, habitation, \
            domiciliation, emplacement",
        against: "ip, mac, mail, email, courriel, url, web, http, wallet, memory, bitcoin, btc, eth, crypto, register, bus, electronique, \
            messagerie, blockchain, hardware, ipaddr, ledger, contract, remote, equipe, team, club, score, but, buts",
        against_too: "",
        about: "id, code, date, country, pays, city, ville, commune, region, departement, cp, zip, zipcode, postcode, postalcode, lat, \
            latitude, lng, lon, longitude, flag, is, has, cle, key, county",
    },
    Vocabulary {
        kind: PersonalKind::PersonName,
        strong: "prenom, firstname, first name, given name, givenname, forename, lastname, last name, surname, family name, familyname, \
            nom famille, nom pat, nom patronymique, patronyme, nom naissance, nom naiss, nom usage, nom usuel, nom marital, nom \
            jeune fille, maiden name, full name, fullname, nom complet, nom prenom, prenom nom, middle name, middlename, nom epouse, \
            maiden, birth name, fname, lname, name first, name last, legal name person, identite complete, \
            cardholder, nompat, nomusage",
        weak: "nom, name, contact, client, customer, owner, proprietaire, beneficiaire, beneficiary, display name, displayname, created \
            by, saisi par, identite, titulaire, holder, recipient, destinataire, expediteur, sender, payee, payer, assignee, \
            reporter, interlocuteur, dirigeant, gerant, representant, ship to, bill to, sold to, attention, attn, utilisateur, \
            usager, last, first, sn",
        against: "product, produit, article, item, company, societe, entreprise, organisation, organization, org, airline, compagnie, \
            airport, aeroport, city, ville, commune, country, pays, region, departement, file, fichier, table, event, evenement, \
            brand, marque, model, modele, category, categorie, libelle, label, title, titre, school, ecole, lycee, college, hotel, \
            restaurant, station, street, rue, voie, project, projet, service, host, hostname, server, serveur, domain, species, \
            espece, drug, medicament, maladie, disease, dish, plat, game, jeu, film, movie, book, livre, song, team, equipe, club, \
            store, magasin, shop, boutique, site, supplier, fournisseur, raison, denomination, enseigne, filename, app, application, \
            job, poste, metier, fonction, campaign, campagne, currency, devise, bank, banque, agence, agency, branch, hopital, \
            hospital, group, groupe, class, course, cours, module, color, couleur, path, gene, protein, planet, navire, bateau, \
            train, ligne, stop, arret, park, parc, museum, musee, lake, lac, river, mountain, zone, sector, secteur, stadium, genre, \
            segment, colour, warehouse, entrepot, depot, recipe, recette, ingredient, vehicle, vehicule, plane, aircraft, carrier, \
            manufacturer, fabricant, partner, merchant, queue, topic, role, permission, plant, plante, animal, breed, race, vin, \
            wine, channel, feature, theme, tag, offer, offre, rule, regle, metric, indicateur, report, rapport, designation, \
            intitule, description, objet, sujet, desc, fleur, flower, variete, variety, vessel",
        against_too: "",
        about: "id, code, date, num, numero, no, number, flag, is, has, key, cle, ref, email, mail, tel, phone, adresse, address, user, \
            login, age",
    },
    Vocabulary {
        kind: PersonalKind::BirthDate,
        strong: "naissance, naiss, birth, birthdate, birthday, dob, ddn, dnaiss, datnais, datenaiss, born, dtnaiss, \
            birthyear",
        weak: "nais, ne, nee, anniversaire, anniv, bday, date n, nele, dn, bd, dt n",
        against: "contrat, contract, company, societe, entreprise, wedding, mariage",
        against_too: "",
        about: "lieu, place, ville, city, pays, country, commune, dept, departement, code, insee, order, rang, weight, poids, \
            certificate, acte, nom, name, prenom, hospital, flag, is, has, sexe, sex, month, mois",
    },
    Vocabulary {
        kind: PersonalKind::Health,
        strong: "diagnosis, diagnoses, diagnostic, icd, cim, pathologie, pathology, maladie, disease, illness, allergie, allergy, \
            allergies, medicament, medication, medicine, prescription medicale, posologie, blood type, blood group, bloodtype, \
            bloodgroup, groupe sanguin, rhesus, handicap, disability, symptom, symptome, antecedent, medical history, medical \
            condition, vaccin, vaccine, vaccination, grossesse, pregnancy, pregnant, enceinte, hiv, vih, glycemie, hba, cholesterol, \
            blood pressure, tension arterielle, systolic, diastolic, systolique, diastolique, heart rate, frequence cardiaque, bmi, \
            imc, creatinine, hemoglobine, hemoglobin, blood sugar, arret maladie, sick leave, atc, comorbidity, comorbidite, \
            diabetic, diabetique, affection, ald, drug name, health status, etat sante, health condition, medical notes, probleme \
            sante, diag, dx, symptoms, statut vaccinal, vaccination status, assessment clinical",
        weak: "traitement, treatment, motif, prescription, ordonnance, dosage, drug, condition, medical, therapy, therapie, chirurgie, \
            surgery, covid, sante, health, hospitalisation, admission, consultation, absence, arret, acte, procedure, observation, \
            note, notes, complaint, sickness, smoker, fumeur, sang, blood, risk",
        against: "assurance, caisse, insurance, access, acces, parking, system, systeme, server, serveur, car, engine, moteur, network, \
            reseau",
        against_too: "",
        about: "id, date, place, lieu, count, nb, nombre, price, prix, cost, cout, amount, montant, version, error, erreur, total, taux, \
            rate",
    },
];
