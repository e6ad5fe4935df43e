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
pub const ABOUT: &str = "status, statut, state, etat, count, nb, nbr, nombre, type, verified, verifie, verifiee, valid, valide, \
    validation, optin, optout, consent, consentement, sent, envoye, envoyes, template, provider, operator, operateur, domain, domaine, \
    version, error, erreur, rate, taux, score, total, sum, avg, mean, pct, percent, ratio, length, size, taille, channel, canal, \
    preference, lang, langue, language, brand, marque, model, modele, price, prix, cost, cout, amount, montant, plan, forfait, prefix, \
    indicatif, duration, duree, minutes, expiry, expiration, hash, md, sha, bounced, priority";

/// Words of numbers that are made to be written on orders, parcels and goods; they may have check digits of their own.
pub const CODES: &str = "order, wo, work order, commande, invoice, facture, ref, reference, tracking, suivi, colis, parcel, shipment, expedition, imei, \
    serial, serie, sku, ean, gtin, upc, isbn, issn, barcode, lot, batch, ticket, transaction, part, piece, article, item, product, \
    produit, dossier, version, build, release, asset, meter, compteur, pdl, prm, policy, police, contract, contrat, fidelite, loyalty, \
    voucher, coupon, gift, cadeau, quote, devis, bon, livraison, case, iccid, cde, cmd, fact, bl, bordereau, booking, reservation, \
    claim, sinistre, loan, sample, echantillon, catalog, catalogue, mpn, oem, model, modele, nomenclature, gln, sscc, po, inv, waybill, \
    consignment, achat, purchase, tx, panier, basket, cart, vente, sale, receipt, recu, caisse, ord, track";

/// Of those the ones on the occasion of which somebody leaves a phone number: `livraison_tel`.
pub const OCCASIONS: &str = "order, commande, invoice, facture, colis, parcel, shipment, expedition, ticket, dossier, contract, contrat, \
    quote, devis, livraison, booking, reservation, claim, sinistre, loan, vente, sale, achat, purchase, cde, cmd, fact, policy";

/// People by what they do or are: beside `nom` or `name` they say that the name is a person's.
pub const PEOPLE: &str = "patient, employee, employe, salarie, passenger, passager, doctor, medecin, docteur, praticien, teacher, \
    enseignant, professeur, prof, student, etudiant, eleve, candidat, candidate, conducteur, driver, conjoint, spouse, mere, pere, \
    mother, father, person, personne, people, player, joueur, nurse, infirmier, holder, titulaire, assure, adherent, locataire, tenant, \
    author, auteur, vendeur, manager, responsable, signataire, agent, parent, child, enfant, guardian, tuteur, member, membre, \
    salesperson, recruiter, technicien, technician, gestionnaire, referent, emergency contact, directeur, redacteur, guest, salariee, \
    pat, etu, elv, adh, patiente, stagiaire, apprenti, apprentie, trainee, intern, instructor, formateur, formatrice, coach, entraineur, \
    trainer, arbitre, referee, superviseur, supervisor, chef equipe, chef projet, chef service, collaborateur, collaboratrice, \
    colleague, coworker, staff, worker, ouvrier, visiteur, visitor, voyageur, traveler, traveller, resident, occupant, habitant, \
    landlord, bailleur, heritier, heir, defunt, deceased, victime, victim, temoin, witness, suspect, plaignant, plaintiff, defendant, \
    avocat, lawyer, attorney, notaire, juge, judge, surgeon, chirurgien, physician, prescripteur, prescriber, dentiste, dentist, \
    pharmacien, pharmacist, psychologue, educateur, animateur, benevole, volunteer, donateur, donor, policyholder, insured, emprunteur, \
    borrower, garant, guarantor, applicant, demandeur, postulant, allocataire, contribuable, pensionnaire, detenu, inmate, soldat, \
    soldier, officier, officer, pilote, captain, capitaine, chauffeur, livreur, caissier, cashier, conseiller, advisor, adviser, \
    consultant, directrice, director, personne contact, personne prevenir, next kin, nok, proche, relative, husband, wife, epoux, \
    epouse, mari, frere, soeur, brother, sister, ayant droit, head household, chef famille, maire, mayor, depute, senateur, senator, \
    elu, electeur, voter, athlete, runner, laureat, ecrivain, writer, sales rep, account executive, account manager, \
    legatee, mandataire, signatory, declarant, deposant, assistante, assistant, secretaire, secretary, infirmiere, soignant, caregiver, \
    aidant, sage femme, midwife, kine, therapist, therapeute, medecin traitant, attending, encadrant, tutor, maitre stage, teller, \
    subscriber, learner, pupil, alumni, ancien eleve, legal guardian, representant legal, responsable legal, resp legal, ouvrant droit";

/// Phrases that no look-alike's word takes back: nothing but a person has them.
pub const SURE_NAMES: &str = "prenom, firstname, first name, lastname, last name, surname, maiden name, forename, nom jeune fille, nom \
    naissance, given name, patronyme, middle name, nom usage, nom usuel, nom marital, nom epouse, nom patronymique, birth name, prenoms, \
    fstname, lstname, firstnm, lastnm, vorname, nachname, nom etat civil";

/// Words that other phrases are made with.
pub const FRAME: &str = "date, dt, num, numero, no, number, code, nom, name, id, cli, cust, usr, emp, lib, libelle, pro, perso, dom, \
    bur, fix, mob, port, post, compl, cpl, cplt, lig, line, ligne, txt, val, main, alt, nbr, nr, nm, primary, secondary, home, work, \
    office, bureau, principal, secondaire, hash";

/// One for each kind.
pub static VOCABULARIES: [Vocabulary; 14] = [
    Vocabulary {
        kind: PersonalKind::Email,
        strong: "email, mail, courriel, adresse electronique, e mail, adresse messagerie, mailto, eml, emailaddr, mailaddr, mailadr, \
            adrmail, adrmel, smtp addr, smtpaddr, adresse courriel, boite mail, mailbox, correo, adel, adr mel, adresse mel",
        weak: "mel, contact, login, username, user, messagerie, recipient, destinataire, sender, expediteur, cc, reply to",
        against: "",
        against_too: "",
        about: "date, code, flag, is, has, est, subject, objet, body, server, serveur, campaign, campagne",
    },
    Vocabulary {
        kind: PersonalKind::Phone,
        strong: "tel, telephone, phone, fax, gsm, cellphone, msisdn, telefon, telecopie, landline, numero appel, caller number, contact \
            number, numero appelant, tph, mobile number, cell number, numero portable, num portable, numero mobile, telefax, telf, \
            telfx, tlf, telno, notel, numtel, numtele, telefone, telephonique, fone, phn, phno, ph no, ph num, phnum, mobile no, \
            mobile num, mobileno, mob no, mob num, mobno, cell no, cell phone, no mobile, no portable, no fixe, num fixe, numero \
            fixe, numero gsm, telpor, telport, telprt, telmob, telfix, teldom, telbur, telpro, telperso, facsimile, whatsapp, \
            whatsapp number, sms number, ligne directe, direct line, direct dial, calling number, called number, dialed number, \
            numero compose, numero joindre, hotline, tlphn, tlph, phonenum, phoneno, phonenbr, portable perso, portable pro, \
            mobile perso, mobile pro, mobile personnel, mobile professionnel, numero contact, contact no, contact num, contact \
            tel, rappel tel, calling party, called party, phone nbr, phn nbr, tel nbr, mobile nbr, telephone nbr, cell nbr, fax \
            nbr",
        weak: "mobile, portable, cell, fixe, whatsapp, sms, contact, caller, callee, appelant, appele, joindre, standard, mob, ph, \
            cellular, cellulaire, calling, called, dialed, ligne, urgence, src number, dst number, numero appele, num appele, num \
            appelant",
        against: CODES,
        against_too: "id, identifiant, matricule, code",
        about: "date, at, ts, time, timestamp, heure, key, cle, code, flag, is, has, est, country, pays, extension, poste, os, coque, line type, usage, plan, app, visits, \
            sessions, url",
    },
    Vocabulary {
        kind: PersonalKind::Iban,
        strong: "iban, rib, bank account, bank account number, compte bancaire, coordonnees bancaires, num compte bancaire, account \
            iban, ibn, code iban, numero iban, iban number, bank acct, bankaccount, rib iban, ibanrib, references bancaires, ref \
            bancaires, compte iban, domiciliation bancaire, bban, ribcpt, cptbancaire",
        weak: "account number, num compte, numero compte, account no, compte, account, prelevement, creditor, debtor, acct no, acct \
            num, acct, cpt, num cpt, no compte, nocompte, beneficiary account, payee account, virement, bank, banque, bancaire, \
            sepa, debit account, credit account, salary account",
        against: "",
        against_too: "",
        about: "date, flag, is, has, country, pays, bic, swift, name, nom, holder, titulaire, balance, solde",
    },
    Vocabulary {
        kind: PersonalKind::PaymentCard,
        strong: "card number, credit card, cb, carte bancaire, carte bleue, carte credit, carte paiement, cc number, cc num, ccnum, \
            card no, card num, payment card, debit card, bank card, num cb, numero carte bancaire, creditcard, cc no, ccno, \
            cardnum, cardno, cardnumber, card nbr, numero cb, no cb, numcb, nocb, num carte bancaire, num carte bleue, num carte \
            credit, numcarte, card pan, primary account number, cc digits, cardholder number, num cc, numero carte credit, numero \
            carte paiement, numero carte bleue, visa number, mastercard number, debit card number, carte bancaire numero, masked \
            pan, masked card, pan masked, carte masquee, pan tronque, truncated pan",
        weak: "num carte, numero carte, no carte, card, carte, pan, cc, payment, paiement, visa, mastercard, amex, crd, ccard, num \
            cart, bancaire, credit",
        against: CODES,
        against_too: "id, identifiant, identifier, key, cle, code",
        about: "date, name, nom, holder, titulaire, issuer, network, reseau, identite, vitale, flag, is, has, cvv, last",
    },
    Vocabulary {
        kind: PersonalKind::Nir,
        strong: "nir, secu, numsecu, securite sociale, nss, num insee, numero insee, carte vitale, num vitale, nosecu, numero ss, num \
            ss, immatriculation sociale, num secu soc, secsoc, sec soc, nosecsoc, numsecsoc, numss, noss, nirpp, nir assure, \
            numero assure social, num assure social, no secu, secu sociale, nsecu, nir patient, ins nir, matricule ins, matricule \
            secu, numero securite sociale, num ssoc, numsecusoc, numero immatriculation sociale, nir ouvrant droit",
        weak: "ssn, social security, ss, matricule, assure, insee, num assure, numero assure, no assure, ins, immatriculation, \
            secsocial, social, sociale",
        against: CODES,
        against_too: "",
        about: "date, caisse, regime, centre, organisme, flag, is, has, code",
    },
    Vocabulary {
        kind: PersonalKind::Siret,
        strong: "siret, siren, num siret, num siren, nosiret, nosiren, numsiret, numsiren, siret siege, siren siege, siretsiege, n \
            siret, n siren",
        weak: "immatriculation, rcs, company number, establishment, etablissement, entreprise, societe, company, fournisseur, \
            supplier, sirene, nic, etab, employeur, employer, organisme, tiers, raison sociale",
        against: CODES,
        against_too: "",
        about: "date, flag, is, has, naf, ape",
    },
    Vocabulary {
        kind: PersonalKind::NationalId,
        strong: "ssn, social security, nino, national insurance, ni number, national id, cni, carte identite, identity card, id card, \
            piece identite, driver license, driver licence, drivers license, driving licence, driving license, permis conduire, \
            dni, nie, nif, codice fiscale, fiscal code, registre national, national number, numero fiscal, num fiscal, tax id, \
            taxpayer, identity number, licence number driver, titre sejour, numero identite, num identite, identity no, ss number, \
            carte sejour, driving license number, dl number, dl no, dln, num permis, numero permis, no permis, cnie, numero cni, \
            num cni, id card number, carte nationale identite, national identity, national identification, nino number, sin \
            number, social insurance number, numero piece identite, ssnum, num piece identite, no piece identite, resident permit, \
            residence permit, carte resident, nat id, natid, nat ident, national identifier, nhs number, nhs no, nhsno, nhs, niss, insz, \
            bsn, pesel, personnummer, steuer id, rijksregister",
        weak: "permis, tin, identite, identity, identifiant national",
        against: CODES,
        against_too: "",
        about: "date, country, pays, flag, is, has, delivrance, issued, class, categorie, lieu, place, construire, construction, \
            environnement, feu, chasse",
    },
    Vocabulary {
        kind: PersonalKind::Passport,
        strong: "passport, passeport, mrz, pp no, pp num, pp number, pp nr, travel document, passp, pspt, psport, ppt no, ppno, passportno, numpasseport, nopasseport, \
            document voyage, doc voyage, travel doc, traveldoc, passeports, machine readable zone",
        weak: "ppt, ppn, document number, num document, numero document, identity, identite, id document, doc number, doc no, num doc, no \
            document, piece identite, doc num",
        against: "",
        against_too: "",
        about: "date, country, pays, flag, is, has, delivrance, issued, name, nom, lieu, place, office",
    },
    Vocabulary {
        kind: PersonalKind::IpAddress,
        strong: "ip, ipaddr, ipaddress, ip address, adresse ip, client ip, ip src, ip dst, ipv, ipadr, adrip, adresseip, addrip, \
            clientip, srcip, dstip, remoteip, userip, sourceip, destip, hostip, ips, iphote, ip client, ip publique, public ip, \
            private ip, ip addresses, login ip, remote ip, x forwarded for, last ip, wan ip, lan ip, loginip, ipclient, ipsource, \
            ipdest",
        weak: "remote addr, remote host, forwarded for, src, dst, source, destination, host, hote, client, peer, addr, address, \
            adresse, server, remote, forwarded, gateway, passerelle, dns, machine, poste, endpoint, node, noeud, origin, visitor, \
            visiteur, attacker, srv, workstation, requester, nas, listener, bind, daddr, saddr, rhost, interface",
        against: "version, build, release, firmware, software, logiciel, revision, oid, section, chapter, chapitre, clause, paragraphe, \
            numero section, sw, ver, rev, kernel, driver, api, schema, protocol",
        against_too: "",
        about: "country, pays, city, ville, region, flag, is, has, port, mask, masque, subnet, network, asn, portfolio, rights, \
            propriete",
    },
    Vocabulary {
        kind: PersonalKind::MacAddress,
        strong: "mac, macaddr, macaddress, adresse mac, mac address, hardware address, hw addr, bssid, adresse physique, physical \
            address, macadr, adrmac, adressemac, mac adresse, ethaddr, hwaddr, hwaddress, lladdr, chaddr, wlan mac, device mac, \
            client mac, macid, mac id, essid mac, physicaladdress, calling station id, ethernet address, wifi address, adresse \
            materielle, bluetooth address, bdaddr, bd addr, hw address",
        weak: "wifi, ethernet, bluetooth, device, appareil, equipement, hw, station, interface, nic, wlan, lan, station id, endpoint, \
            node, terminal, iface, adapter, carte reseau, phys, physique, client, address, adresse, addr, router, routeur, box, \
            phone, imprimante, printer",
        against: "hash, checksum, commit, sha",
        against_too: "",
        about: "vendor, constructeur, os, flag, is, has",
    },
    Vocabulary {
        kind: PersonalKind::PostalAddress,
        strong: "adresse, address, addr, adr, adresses, rue, street, voie, domicile, lieu dit, postal address, home address, numero \
            rue, streetaddress, siege social, registered office, mailing address, adrs, adress, adrpost, libadr, adrlig, adrligne, \
            ligne adresse, adresse ligne, addr line, addrline, address line, addressline, stras, strasse, street name, streetname, \
            libvoie, libelle voie, nom voie, nomvoie, mailing street, shipping street, billing street, lieudit, po box, permanent \
            address, home addr, homeaddr, residential address, thoroughfare, adresse postale, adrdom, adresse domicile, adresse \
            personnelle, adresse facturation, adresse livraison, complement adresse, compl adresse, cplt adresse, cpl adr, cpladr, \
            adrcpl, postal addr, postaladdr, full address, fulladdress, adresse complete, deliv addr, ship addr, bill addr, \
            correspondence address, street addr, streetaddr, strt, property address, adresse bien, adresse logement, localisation \
            adresse",
        weak: "residence, location, localisation, livraison, delivery, shipping, billing, facturation, place, lieu, siege, \
            habitation, domiciliation, emplacement, logement, lives, habite, demeurant, domicilie, coordonnees, dwelling, pickup, \
            dropoff, pick up, drop off, enlevement, cplt, complement, ship to, bill to, deliver to, hameau, resides, residing, \
            demeure, premises, correspondence",
        against: "ip, mac, mail, email, courriel, url, web, http, wallet, memory, bitcoin, btc, eth, crypto, register, bus, \
            electronique, messagerie, blockchain, hardware, ipaddr, ledger, contract, remote, equipe, team, club, score, but, \
            buts, hw, mel",
        against_too: "",
        about: "id, code, date, country, pays, city, ville, commune, region, departement, cp, zip, zipcode, postcode, postalcode, lat, \
            latitude, lng, lon, longitude, flag, is, has, cle, key, county",
    },
    Vocabulary {
        kind: PersonalKind::PersonName,
        strong: "prenom, firstname, first name, given name, givenname, forename, lastname, last name, surname, family name, familyname, \
            nom famille, nom pat, nom patronymique, patronyme, nom naissance, nom naiss, nom usage, nom usuel, nom marital, nom \
            jeune fille, maiden name, full name, fullname, nom complet, nom prenom, prenom nom, middle name, middlename, nom \
            epouse, maiden, birth name, fname, lname, name first, name last, legal name person, identite complete, cardholder, \
            nompat, nomusage, prenoms, firstnm, lastnm, first nm, last nm, fst name, fstname, lst name, lstname, frstname, frst \
            name, f name, fst nm, midname, mid name, namelast, namefirst, nachn, vorna, vorname, nachname, namev, name family, \
            name given, nom usu, nomusu, nom nais, nomnais, nomnaiss, nom nai, nomnai, nom jf, nomjf, nommar, nom mar, nom patr, \
            nompatr, nomfam, nom fam, nom civil, nom etat civil, etat civil nom, nom conjoint, nomconj, nom conj, nomprenom, \
            prenomnom, nomcomplet, prn, prnm, prnom, pren, prenm, preusu, nomass, noment prenom, nomsal, nomelv, nometu, nomemp, \
            patnom, pat nom, salnom, empnom, personname, person nm, surnm, surnames, forenames, christian name, mothers maiden, \
            mother maiden, middle initial, initiales, initials, preferred name, preferredname, card holder, nom titulaire, account \
            holder, accountholder, nom signataire, known as, emergency name, contact first, contact last, lead name, \
            passengername, empname, patname, employeename, patientname, studentname, nom contact urgence, ship to name, bill to \
            name, sold to name, name on card, nom sur carte, nom porteur, nom figurant",
        weak: "nom, name, contact, client, customer, owner, proprietaire, beneficiaire, beneficiary, display name, displayname, \
            created by, saisi par, identite, titulaire, holder, recipient, destinataire, expediteur, sender, payee, payer, \
            assignee, reporter, interlocuteur, dirigeant, gerant, representant, ship to, bill to, sold to, attention, attn, \
            utilisateur, usager, last, first, sn, resp, a prevenir, prevenir, personne confiance, next kin, nok, modified by, updated by, approved by, assigned to, assigned, requested by, \
            signed by, entered by, checked by, reviewed by, opened by, closed by, prepared by, verified by, cree par, modifie par, \
            valide par, demande par, traite par, realise par, signe par, redige par, affecte, attribue, cn, gecos, ename, cname, \
            nickname, surnom, family, given, abonne, souscripteur, buyer, seller, acheteur, acquereur, cedant, sponsor, donneur \
            ordre, emetteur, correspondant, beneficiary name, nm, cust, cli, proprio, host, hote, participant, participants, \
            attendee, inscrit, invite, tiers, from name, to name, fromname, toname, applicant, person, leader, lead, rep, exec, \
            creator, createur, operator, operateur, inspector, inspecteur, auditor, auditeur, controleur, chercheur, researcher, \
            investigator, investigateur, interviewer, enqueteur, nominee, delegate, delegue, speaker, orateur, intervenant, \
            requester, requestor, porteur, payor",
        against: "product, produit, article, item, company, societe, entreprise, organisation, organization, org, airline, compagnie, \
            airport, aeroport, city, ville, commune, country, pays, region, departement, file, fichier, table, event, evenement, \
            brand, marque, model, modele, category, categorie, libelle, label, title, titre, school, ecole, lycee, college, hotel, \
            restaurant, station, street, rue, voie, project, projet, service, host, hostname, server, serveur, domain, species, \
            espece, drug, medicament, maladie, disease, dish, plat, game, jeu, film, movie, book, livre, song, team, equipe, club, \
            store, magasin, shop, boutique, site, supplier, fournisseur, raison, denomination, enseigne, filename, app, \
            application, job, poste, metier, fonction, campaign, campagne, currency, devise, bank, banque, agence, agency, branch, \
            hopital, hospital, group, groupe, class, course, cours, module, color, couleur, path, gene, protein, planet, navire, \
            bateau, train, ligne, stop, arret, park, parc, museum, musee, lake, lac, river, mountain, zone, sector, secteur, \
            stadium, genre, segment, colour, warehouse, entrepot, depot, recipe, recette, ingredient, vehicle, vehicule, plane, \
            aircraft, carrier, manufacturer, fabricant, partner, merchant, queue, topic, role, permission, plant, plante, animal, \
            breed, race, vin, wine, channel, feature, theme, tag, offer, offre, rule, regle, metric, indicateur, report, rapport, \
            designation, intitule, description, objet, sujet, desc, fleur, flower, variete, variety, vessel, make, county, \
            district, canton, arrondissement, province, borough, quartier, town, village, state, state name, pays nom, lieu, \
            place, location, building, batiment, room, salle, organism, organisme, syndicat, union, party, parti, database, \
            schema, package, library, framework, process, processus, task, tache, workflow, menu, \
            widget, device, appareil, machine, equipment, equipement, material, materiau, matiere, substance, molecule, chemical, \
            element, mineral, font, folder, dossier, directory, repertoire, document, image, photo, album, band, artist, track, \
            piste, playlist, series, serie, episode, show, emission, saison, season, league, ligue, tournament, tournoi, \
            competition, race name, circuit, venue, format, unit, unite, measure, mesure, dataset, variable, parameter, parametre, \
            config, setting, option, plan, forfait, package name, fund, fonds, stock, security, index, indice, portfolio, \
            portefeuille, account type, cost center, gl, ledger, journal, tax, taxe, allergen, diagnosis, diagnostic, procedure, \
            procedure name, traitement, treatment, test, exam, examen, specialite, specialty, commercial, trade, legal entity, \
            entite, entity, subsidiary, filiale, etablissement, establishment, facility, structure, institution, ministere, \
            ministry, direction, department, division, subject, matiere name, discipline, formation, diplome, degree, training, \
            certification, skill, competence, holiday, fete, day, jour, month, mois, constellation, star, etoile, ship name, boat, \
            bateau name, aeronef, airfield, port, gare, route, itineraire, itinerary, terminal, gate, quai, platform, cultivar, \
            crop, culture, tree, arbre, dog, chien, cat, chat, horse, cheval, pet",
        against_too: "",
        about: "id, code, date, num, numero, no, number, flag, is, has, key, cle, ref, email, mail, tel, phone, adresse, address, user, \
            login, age",
    },
    Vocabulary {
        kind: PersonalKind::BirthDate,
        strong: "naissance, naiss, birth, birthdate, birthday, dob, ddn, dnaiss, datnais, datenaiss, born, dtnaiss, birthyear, \
            datenais, datnai, dtnais, dtnai, dnais, dnai, datns, dtns, ddnais, date nais, dt nais, dat nais, nais date, \
            dnaissance, dtenaissance, dte naiss, dte nais, birthdt, birth dt, bdate, dbirth, dtob, dofb, \
            birthdte, gbdat, gebdat, geburtsdatum, birthdat, brthdt, brthdate, brth dt, brth date, bthdt, bthdate, bthdat, \
            dtbirth, annee nais, an nais, annais, anaiss, yob, birth year, dobdt, dob dt, dobs, daten, jnais, datenaissanc, \
            datnaiss, datnaissance, dnaisspat, dnpat, nele, bday",
        weak: "nais, ne, nee, anniversaire, anniv, bday, date n, dn, bd, dt n, nai, brth, ddnai, b day, born on, date nee, date \
            ne",
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
            condition, vaccin, vaccine, vaccination, grossesse, pregnancy, pregnant, enceinte, hiv, vih, glycemie, hba, \
            cholesterol, blood pressure, tension arterielle, systolic, diastolic, systolique, diastolique, heart rate, frequence \
            cardiaque, bmi, imc, creatinine, hemoglobine, hemoglobin, blood sugar, arret maladie, sick leave, atc, comorbidity, \
            comorbidite, diabetic, diabetique, affection, ald, drug name, health status, etat sante, health condition, medical \
            notes, probleme sante, diag, dx, symptoms, statut vaccinal, vaccination status, assessment clinical, icd code, cim \
            code, cim dix, code cim, ccam, ngap, loinc, snomed, rxnorm, ghm, diagnostique, diagnostics, diags, dgn, diagnose, diag \
            principal, diag associe, diagnostic principal, diagnostic associe, diagprinc, diagassoc, motif hospitalisation, motif \
            consultation, chief complaint, presenting complaint, traitement medical, traitement medicamenteux, medical treatment, \
            treatment plan, current medication, current medications, meds, medoc, intolerances, pathologies, maladies, maladie \
            chronique, chronic disease, chronic condition, health issue, health issues, health problem, health problems, health \
            notes, health info, probleme medical, problemes sante, donnees sante, antecedents medicaux, antecedents, atcd, medical \
            issue, medical issues, medical conditions, medical info, groupe sang, grp sanguin, grpsanguin, gpe sanguin, gsang, gs \
            rh, bloodgrp, blood grp, rh factor, facteur rh, indice masse corporelle, body mass index, situation handicap, rqth, \
            taux handicap, type handicap, taux invalidite, invalidite, disabilities, disability status, inaptitude, inapte, \
            aptitude medicale, maternite conge, conge maternite, maternity leave, conge maladie, nature maladie, accident travail, \
            work injuries, lesions, trouble sante, diabetes, diabete, asthma, asthme, cancer, hypertension, tumor, tumeur, \
            hemoglobine glyquee, triglycerides, hdl, ldl, sgpt, sgot, saturation oxygene, oxygen saturation, spo, pouls, blood \
            psychiatric, psychiatrie, mental health, sante mentale, addiction, addictions, vaccins, vaccines, vaccinations, \
            immunization, immunizations, immunisation, medicaments, medications, prescription drug, prescribed drug, prescribed \
            medication, seropositif, hiv status, statut vih, std status, mutuelle pathologie, cause deces, cause death, death \
            cause, operation chirurgicale, surgical procedure, surgical history, intervention chirurgicale, bilan sanguin, \
            gravida, trimester pregnancy, nombre grossesses, menopause, ivg, contraception, contraceptive, fertility, tabagisme, \
            smoking status, tobacco use, alcohol use, handicape, comorbidities, comorbidites",
        weak: "dp, das, traitement, treatment, motif, prescription, ordonnance, dosage, drug, condition, medical, therapy, therapie, \
            chirurgie, surgery, covid, sante, health, hospitalisation, admission, consultation, absence, arret, acte, procedure, \
            observation, note, notes, complaint, sickness, smoker, fumeur, sang, blood, risk, soin, soins, care, remede, remedy, \
            drugs, libelle acte, sick, reason, raison, motifs, dp, das, cip, ucd, ndc, ordonnances, prescriptions, rx, commentaire \
            medical, clinical, clinique, symptomatologie, plainte, plaintes, exam, examen, analyse, resultat, intolerance, \
            trouble, troubles, injury, glucose, leave, conge, commentaire, comment, comments, remarque, remarques, remarks, \
            regime, diet, dietary, alerte, alert, problem, probleme, issue, evaluation, assessment, finding, findings, conclusion, \
            compte rendu, anamnese, anamnesis, operation, intervention, invalidity, besoin, special needs, accommodations, \
            amenagement, reason visit, allergen, allergene, dci, principe actif, lesion, syndrome, lab result, traitement cours",
        against: "assurance, caisse, insurance, access, acces, parking, system, systeme, server, serveur, car, engine, moteur, network, \
            reseau, vehicle, vehicule, plant, plante, crop, culture, animal, pet, veterinary, veterinaire, dog, chien, cat, chat, \
            horse, cheval, device, appareil, code postal, disk, disque, battery, batterie, check, cluster, pod, job, food, \
            aliment, soil, sol, water, eau, tree, api, app, application, build, software, logiciel, port, error, erreur, log",
        against_too: "",
        about: "id, date, place, lieu, count, nb, nombre, price, prix, cost, cout, amount, montant, version, error, erreur, total, taux, \
            rate",
    },
];
