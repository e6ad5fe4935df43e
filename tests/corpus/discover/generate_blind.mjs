// Writes `blind/` and `blind.csv` (for maintainers; the files are kept in the repository).
//
//     npm install @faker-js/faker@10 && node tests/corpus/discover/generate_blind.mjs
//
// Written after the recognisers and run once before any change: the first figures stand in README.md. Values are @faker-js/faker's,
// from a seed; check digits are computed here.
import { createRequire } from "node:module";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const { fakerFR: fr, fakerEN_US: us, fakerEN_GB: gb, fakerFR_BE: be } = await import(
  pathToFileURL(createRequire(path.join(process.cwd(), "x.js")).resolve("@faker-js/faker")).href
);
for (const [at, fake] of [fr, us, gb, be].entries()) {
  fake.seed(4000 + at);
  fake.setDefaultRefDate("2024-06-01T00:00:00.000Z");
}
const ROWS = 90;
const int = (min, max) => us.number.int({ min, max });
const pick = (...all) => us.helpers.arrayElement(all);
const digits = (count, first = "123456789") => pick(...first) + us.string.numeric({ length: count - 1, allowLeadingZeros: true });
const pad = (number, count) => String(number).padStart(count, "0");
const luhn = (body) => {
  let sum = 0;
  [...body].reverse().forEach((d, at) => {
    const n = Number(d) * (at % 2 === 0 ? 2 : 1);
    sum += n > 9 ? n - 9 : n;
  });
  return body + ((10 - (sum % 10)) % 10);
};
const mod97 = (text) => [...text].reduce((rest, d) => (rest * 10 + Number(d)) % 97, 0);
const nir = () => {
  const body = pick("1", "2") + pad(int(25, 99), 2) + pad(int(1, 12), 2) + pad(int(1, 95) || 1, 2) + pad(int(1, 590), 3) + pad(int(1, 700), 3);
  return body + pad(97 - mod97(body), 2);
};
const day = (from, to) => us.date.between({ from, to });
const recent = () => day("2018-01-01", "2024-05-30");
const born = () => day("1938-01-01", "2005-12-31");
const iso = (date) => date.toISOString().slice(0, 10);
const dmy = (date, by = "/") => iso(date).split("-").reverse().join(by);
const mdy = (date) => `${date.toISOString().slice(5, 7)}/${date.toISOString().slice(8, 10)}/${date.getUTCFullYear()}`;
const card = () => luhn(pick("4539", "4916", "5412", "5299", "5105", "4024") + digits(11, "0123456789"));
const siret = () => luhn(luhn(pick("4", "5", "8") + digits(7, "0123456789")) + pad(int(1, 30), 4));
const ean = () => {
  const body = "37" + digits(10, "0123456789");
  const sum = [...body].reduce((total, d, at) => total + Number(d) * (at % 2 ? 3 : 1), 0);
  return body + ((10 - (sum % 10)) % 10);
};
let order = int(100000, 900000);
const nextOrder = () => luhn("45320011" + pad((order += int(1, 4)), 7));
const version = () => `${int(1, 9)}.${int(0, 30)}.${int(0, 20)}.${int(0, 25)}`;
const decimal = (min, max, places = 2) => us.number.float({ min, max, fractionDigits: places }).toFixed(places);
const comma = (min, max) => decimal(min, max).replace(".", ",");

const N = "", S = "string", I = "int32", L = "int64", F = "float64", B = "boolean", D = "date";
const tables = {
  beneficiaires: [
    ["num_dossier", N, L, () => luhn(digits(13, "12"))],
    ["NOM", "person_name", S, () => fr.person.lastName().toUpperCase()],
    ["PRENOM_1", "person_name", S, () => fr.person.firstName()],
    ["ne_le", "birth_date", "date dd/MM/yyyy", () => dmy(born())],
    ["no_ss", "nir", S, nir],
    ["situation_familiale", N, S, () => pick("célibataire", "marié", "pacsé", "divorcé")],
    ["tel1", "phone", S, () => fr.phone.number({ style: "national" })],
    ["mail_contact", "email", S, () => fr.internet.email()],
    ["num_et_voie", "postal_address", S, () => fr.location.streetAddress()],
    ["localite", N, S, () => fr.location.city()],
    ["montant_verse", N, F, () => decimal(10, 900)],
    ["versement_le", N, "date dd/MM/yyyy", () => dmy(recent())],
  ],
  dossiers_rh: [
    ["id_agent", N, I, () => digits(6)],
    ["agent", "person_name", S, () => fr.person.fullName()],
    ["grade", N, S, () => pick("A", "B", "C", "A+")],
    ["quotite", N, I, () => pick(50, 80, 100)],
    ["rib_iban", "iban", S, () => fr.finance.iban({ countryCode: "FR", formatted: true })],
    ["personne_a_prevenir", "person_name", S, () => fr.person.fullName()],
    ["tel_urgence", "phone", S, () => fr.phone.number({ style: "international" })],
    ["arret_maladie_motif", "health", S, () => pick("grippe", "lombalgie", "opération du genou", "dépression", "covid", "grossesse", "angine")],
    ["permis_conduire", "national_id", S, () => digits(12)],
    ["echelon_depuis", N, "date dd-MM-yyyy", () => dmy(recent(), "-")],
    ["teletravail", N, B, () => pick("true", "false")],
  ],
  ventes: [
    ["no_cde", N, L, nextOrder],
    ["code_barres", N, L, ean],
    ["designation", N, S, () => fr.commerce.productName()],
    ["taille", N, S, () => pick("S", "M", "L", "XL")],
    ["pu_ht", N, S, () => comma(1, 300)],
    ["qte", N, I, () => int(1, 40)],
    ["vendu_le", N, "timestamp dd/MM/yyyy HH:mm", () => `${dmy(recent())} ${pad(int(8, 20), 2)}:${pad(int(0, 59), 2)}`],
    ["num_cheque", N, I, () => digits(7)],
    ["remise_pct", N, I, () => pick(0, 5, 10, 20)],
    ["vendeur", "person_name", S, () => fr.person.firstName()],
    ["code_postal_livraison", N, S, () => pad(int(1000, 95999), 5)],
    ["n_bl", N, L, () => luhn("73" + digits(12, "0123456789"))],
  ],
  entreprises: [
    ["nom_commercial", N, S, () => fr.company.name()],
    ["siren_siege", "siret", I, () => luhn(pick("4", "5", "8") + digits(7, "0123456789"))],
    ["nic_siret", "siret", L, siret],
    ["forme_juridique", N, S, () => pick("SAS", "SARL", "SA", "EURL")],
    ["capital", N, I, () => int(1000, 900000)],
    ["dirigeant", "person_name", S, () => fr.person.fullName()],
    ["adr_siege", "postal_address", S, () => fr.location.streetAddress()],
    ["standard_tel", "phone", S, () => fr.phone.number({ style: "national" })],
    ["date_immat", N, D, () => iso(day("1970-01-01", "2023-01-01"))],
    ["site_web", N, S, () => fr.internet.url()],
    ["tva_intra", N, S, () => "FR" + digits(2) + digits(9)],
  ],
  labo: [
    ["prelevement", N, "timestamp yyyy-MM-dd'T'HH:mm", () => recent().toISOString().slice(0, 16)],
    ["patient", "person_name", S, () => fr.person.fullName()],
    ["date_nais", "birth_date", D, () => iso(born())],
    ["prescripteur", "person_name", S, () => "Dr " + fr.person.lastName()],
    ["glycemie", "health", F, () => decimal(0.6, 2.4)],
    ["gs_rh", "health", S, () => pick("A+", "O+", "B+", "AB-", "O-")],
    ["atcd", "health", S, () => pick("diabète", "asthme", "HTA", "cancer du sein", "aucun", "épilepsie", "infarctus")],
    ["code_acte", N, S, () => pick("B40", "B120", "C1")],
    ["tube", N, S, () => us.string.alphanumeric({ length: 10, casing: "upper" })],
    ["urgent", N, B, () => pick("true", "false")],
    ["temp_frigo", N, F, () => decimal(2, 8, 1)],
  ],
  parc_informatique: [
    ["poste", N, S, () => `PC-${digits(4)}`],
    ["ip_fixe", "ip_address", S, () => us.internet.ipv4()],
    ["mac_eth0", "mac_address", S, () => us.internet.mac()],
    ["bios", N, S, version],
    ["utilisateur", "person_name", S, () => fr.person.fullName()],
    ["imei", N, L, () => luhn("35" + digits(12, "0123456789"))],
    ["num_sim", N, S, () => luhn("8933" + digits(15, "0123456789"))],
    ["cle_licence", N, S, () => us.string.alphanumeric({ length: 20, casing: "upper" })],
    ["empreinte_cert", N, S, () => us.string.hexadecimal({ length: 40, prefix: "" })],
    ["ram_go", N, I, () => pick(8, 16, 32)],
    ["vu_le", N, "timestamp zone", () => recent().toISOString()],
  ],
  contacts: [
    ["Salutation", N, S, () => pick("Mr", "Ms", "Dr")],
    ["GivenName", "person_name", S, () => us.person.firstName()],
    ["FamilyName", "person_name", S, () => us.person.lastName()],
    ["MobilePhone", "phone", S, () => us.phone.number({ style: "human" })],
    ["OtherPhone", "phone", S, () => us.phone.number({ style: "international" })],
    ["Email1", "email", S, () => us.internet.email()],
    ["MailingStreet", "postal_address", S, () => us.location.streetAddress()],
    ["MailingPostalCode", N, S, () => us.location.zipCode()],
    ["MailingCountry", N, S, () => us.location.country()],
    ["Birthdate", "birth_date", D, () => iso(born())],
    ["LastActivityDate", N, D, () => iso(recent())],
    ["HasOptedOutOfEmail", N, B, () => pick("true", "false")],
    ["LeadSource", N, S, () => pick("Web", "Phone", "Referral")],
    ["AnnualRevenue", N, F, () => decimal(1000, 90000)],
  ],
  patients_uk: [
    ["pt_surname", "person_name", S, () => gb.person.lastName()],
    ["pt_dob", "birth_date", "date dd/MM/yyyy", () => dmy(born())],
    ["gp_name", "person_name", S, () => "Dr " + gb.person.fullName()],
    ["addr_line_1", "postal_address", S, () => gb.location.streetAddress()],
    ["post_code", N, S, () => gb.location.zipCode()],
    ["home_tel", "phone", S, () => gb.phone.number()],
    ["presenting_complaint", "health", S, () => pick("chest pain", "asthma attack", "back pain", "migraine", "fever and cough", "anxiety", "rash")],
    ["icd", "health", S, () => pick("J45.0", "I21.9", "M54.5", "G43.9", "F41.1", "R07.4")],
    ["smoker", N, B, () => pick("true", "false")],
    ["ward_code", N, S, () => pick("A1", "B2", "C3")],
    ["bed_days", N, I, () => int(0, 30)],
    ["discharged", N, "timestamp local", () => recent().toISOString().slice(0, 19).replace("T", " ")],
  ],
  web_orders: [
    ["order_id", N, L, () => luhn("4" + digits(14, "0123456789"))],
    ["session_ip", "ip_address", S, () => us.internet.ip()],
    ["ship_to", "person_name", S, () => us.person.fullName()],
    ["ship_street", "postal_address", S, () => us.location.streetAddress({ useFullAddress: true })],
    ["ship_city", N, S, () => us.location.city()],
    ["cc_no", "payment_card", S, card],
    ["cc_exp", N, S, () => `${pad(int(1, 12), 2)}/${int(25, 30)}`],
    ["item", N, S, () => us.commerce.productName()],
    ["mpn", N, S, () => `${int(201, 989)}-${int(201, 989)}-${digits(4)}`],
    ["gtin", N, L, ean],
    ["placed", N, "date MM/dd/yyyy", () => mdy(recent())],
    ["total", N, F, () => decimal(5, 900)],
    ["ua", N, S, () => us.internet.userAgent()],
    ["vat_rate", N, F, () => pick("0.2", "0.055", "0.1")],
  ],
  staff: [
    ["employee", "person_name", S, () => us.person.fullName()],
    ["social_security_no", "national_id", S, () => `${pad(int(1, 665), 3)}-${pad(int(1, 99), 2)}-${pad(int(1, 9999), 4)}`],
    ["passport_num", "passport", S, () => digits(9)],
    ["iban_code", "iban", S, () => gb.finance.iban({ countryCode: "GB" })],
    ["swift_code", N, S, () => us.finance.bic()],
    ["job", N, S, () => us.person.jobTitle()],
    ["team", N, S, () => pick("Falcon", "Orca", "Lynx")],
    ["start", N, D, () => iso(recent())],
    ["fte", N, F, () => pick("1.0", "0.8", "0.5")],
    ["badge", N, I, () => digits(9)],
    ["desk", N, F, () => `${int(1, 9)}.${int(10, 99)}`],
    ["review", N, S, () => pick("A+", "A-", "B+", "B", "C")],
  ],
  assets: [
    ["asset_name", N, S, () => us.commerce.productName()],
    ["name", N, S, () => us.location.city()],
    ["vendor", N, S, () => us.company.name()],
    ["isbn", N, S, () => us.commerce.isbn(13)],
    ["lat_lng", N, S, () => `${decimal(-80, 80, 5)},${decimal(-170, 170, 5)}`],
    ["checksum", N, S, () => us.string.hexadecimal({ length: 64, prefix: "", casing: "lower" })],
    ["hw_id", N, S, () => us.string.hexadecimal({ length: 12, prefix: "", casing: "lower" })],
    ["correlation_id", N, S, () => us.string.uuid()],
    ["app_version", N, S, version],
    ["wallet", N, S, () => us.finance.ethereumAddress()],
    ["account", N, S, () => us.finance.accountNumber(8)],
    ["routing", N, S, () => us.finance.routingNumber()],
    ["expires", N, D, () => iso(day("2024-06-01", "2030-01-01"))],
    ["plane", N, S, () => us.airline.airplane().name],
    ["vehicle", N, S, () => us.vehicle.vehicle()],
    ["album", N, S, () => us.music.album()],
    ["artist_style", N, S, () => us.music.genre()],
    ["animal", N, S, () => us.animal.dog()],
  ],
  unnamed: [
    ["x1", "person_name", S, () => us.person.fullName()],
    ["x2", "person_name", S, () => fr.person.fullName()],
    ["x3", "postal_address", S, () => gb.location.streetAddress()],
    ["x4", "email", S, () => be.internet.email()],
    ["x5", "phone", S, () => be.phone.number({ style: "international" })],
    ["x6", "ip_address", S, () => us.internet.ipv6()],
    ["x7", N, S, () => us.commerce.department()],
    ["x8", N, S, () => us.company.name()],
    ["x9", N, S, () => us.location.country()],
    ["x10", N, L, () => digits(16, "45")],
    ["x11", N, S, () => us.location.street()],
    ["x12", N, S, () => us.hacker.phrase()],
    ["x13", N, S, () => us.system.fileName()],
  ],
};

const quoted = (value) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""').replaceAll("\n", " ")}"` : value);
fs.rmSync(path.join(here, "blind"), { recursive: true, force: true });
fs.mkdirSync(path.join(here, "blind"));
const labels = ["table,column,kind,type"];
for (const [table, columns] of Object.entries(tables)) {
  const lines = [columns.map(([name]) => quoted(name)).join(",")];
  for (let row = 0; row < ROWS; row++) lines.push(columns.map((column) => quoted(String(column[3]()))).join(","));
  fs.writeFileSync(path.join(here, "blind", `${table}.csv`), lines.join("\n") + "\n");
  for (const [name, kind, type] of columns) labels.push([table, name, kind, type].map(quoted).join(","));
}
fs.writeFileSync(path.join(here, "blind.csv"), labels.join("\n") + "\n");
console.log(`blind: ${labels.length - 1} columns, ${Object.values(tables).flat().filter((column) => column[1]).length} of them personal`);
