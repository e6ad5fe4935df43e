#!/usr/bin/env python3
"""Writes the folder of a clinic as such folders are: ten files of eight formats, French headers, Windows-1252, a title over a table,
personal data, and a file that is no data (for maintainers; the files are kept in the repository). Nobody in it exists.

    pip install pyarrow==26.0.1 fastavro==1.13.1 openpyxl==3.1.5
    python tests/corpus/messy/generate.py
"""

import datetime as dt
import io
import json
import pathlib
import random

import fastavro
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).resolve().parent / "dépôt"
FIRST = ["Chloé", "Éloïse", "Jean-Noël", "Inès", "Théo", "Maëlys", "Gaël", "Zoé", "André", "Béatrice", "Loïc", "Hélène", "Rémi", "Agnès"]
LAST = ["Lefèvre", "Müller", "N'Diaye", "Garçon", "Bénard", "Le Goff", "Châtelain", "Durand", "Pérez", "Moreau", "Rivière"]
STREETS = ["rue de l'Église", "avenue Foch", "chemin du Près", "place de la République", "boulevard Voltaire", "impasse des Mûriers"]
TOWNS = [("44000", "Nantes"), ("35000", "Rennes"), ("29200", "Brest"), ("56100", "Lorient"), ("22000", "Saint-Brieuc")]
SERVICES = [("CARD", "Cardiologie"), ("PNEU", "Pneumologie"), ("NEUR", "Neurologie"), ("PEDI", "Pédiatrie"), ("CHIR", "Chirurgie générale")]
ACTS = ["ECG", "Échographie", "IRM", "Scanner", "Radiographie", "Bilan sanguin"]
PATIENTS = 240
R = random.Random(20251)


def put(name, data):
    HERE.mkdir(exist_ok=True)
    (HERE / name).write_bytes(data)


def nir(sex, born):
    body = f"{1 if sex == 'M' else 2}{born:%y}{born:%m}{R.choice([44, 35, 29, 56, 22]):02d}{R.randint(1, 300):03d}{R.randint(1, 400):03d}"
    return f"{body}{97 - int(body) % 97:02d}"


def patients():
    for n in range(PATIENTS):
        sex = R.choice("MF")
        born = dt.date(1935, 1, 1) + dt.timedelta(days=R.randrange(31000))
        first, last = R.choice(FIRST), R.choice(LAST)
        code, town = R.choice(TOWNS)
        yield {
            "dossier": f"D{n + 1:05d}", "first": first, "last": last, "sex": sex, "born": born, "nir": nir(sex, born),
            "mail": f"p{n + 1}.{R.choice('abcdef')}@exemple.fr", "phone": f"06 {R.randrange(100):02d} {R.randrange(100):02d} {R.randrange(100):02d} {R.randrange(100):02d}",
            "street": f"{R.randint(1, 120)} {R.choice(STREETS)}", "code": code, "town": town, "weight": R.randrange(450, 1100) / 10,
        }


def comma(number):
    return f"{number:.1f}".replace(".", ",")


def expected(people, stays, acts, samples, prices):
    """The answer to the question that the test asks, computed without Polder."""
    old = {p["dossier"] for p in people if p["born"] < dt.date(1950, 1, 1)}
    lines = ["service,stays,acts,tariff,samples,old"]
    for code, name in sorted(SERVICES, key=lambda service: service[1]):
        own = [stay for stay in stays if stay["service"] == code]
        ids = {stay["stay"] for stay in own}
        done = [act for act in acts if act["séjour"] in ids]
        tariff = sum(min(price for other, price in prices if other == act["acte"]) for act in done)
        taken = sum(1 for stay in samples.column("séjour").to_pylist() if stay in ids)
        lines.append(f"{name},{len(own)},{len(done)},{tariff},{taken},{len({stay['dossier'] for stay in own} & old)}")
    (HERE.parent / "expected.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    people = list(patients())
    # What the reception's program exports: Windows-1252, semicolons, decimal commas.
    head = "N° dossier;Nom;Prénom;Sexe;Date de naissance;N° sécurité sociale;Courriel;Téléphone;Adresse;Code postal;Ville;Poids (kg)"
    lines = [head] + [
        ";".join([p["dossier"], p["last"], p["first"], p["sex"], f"{p['born']:%Y-%m-%d}", p["nir"], p["mail"], p["phone"], p["street"], p["code"], p["town"], comma(p["weight"])])
        for p in people
    ]
    put("patients.csv", ("\r\n".join(lines) + "\r\n").encode("cp1252"))

    # Stays, in a workbook with a title and an empty row over the table, and a sheet that is hidden.
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Séjours"
    sheet.append(["Séjours de l'année, édités le 3 janvier"])
    sheet.append([])
    sheet.append(["N° séjour", "N° dossier", "Service", "Entrée", "Sortie", "Montant"])
    stays = []
    for n in range(400):
        patient, start = R.choice(people), dt.date(2025, 1, 1) + dt.timedelta(days=R.randrange(360))
        stays.append({"stay": f"S{n + 1:06d}", "dossier": patient["dossier"], "service": R.choice(SERVICES)[0], "start": start,
                      "end": None if R.random() < 0.05 else start + dt.timedelta(days=R.randrange(1, 20)), "amount": R.randrange(5000, 900000) / 100})
    for stay in stays:
        sheet.append([stay["stay"], stay["dossier"], stay["service"], stay["start"], stay["end"], stay["amount"]])
    hidden = book.create_sheet("Brouillon")
    hidden.sheet_state = "hidden"
    hidden.append(["à revoir"])
    out = io.BytesIO()
    book.save(out)
    put("séjours.xlsx", out.getvalue())

    # Acts, as an interface delivers them: the list is somewhere inside.
    acts = [{"id": n + 1, "séjour": R.choice(stays)["stay"], "acte": R.choice(ACTS), "date": f"2025-{R.randint(1, 12):02d}-{R.randint(1, 28):02d}",
             "prix": {"montant": R.randrange(1000, 40000) / 100, "devise": "EUR"}} for n in range(500)]
    document = {"version": "2.1", "liens": [{"rel": "self"}], "résultat": {"total": len(acts), "actes": acts}}
    put("actes.json", json.dumps(document, ensure_ascii=False, indent=1).encode())

    # Vital signs, a line each.
    signs = [{"dossier": R.choice(people)["dossier"], "relevé": f"2025-06-{R.randint(1, 30):02d}T{R.randrange(24):02d}:{R.randrange(60):02d}:00Z",
              "température": round(R.uniform(36, 40), 1), "tension": {"systolique": R.randrange(95, 180), "diastolique": R.randrange(55, 110)}} for _ in range(600)]
    put("constantes.ndjson", "".join(json.dumps(sign, ensure_ascii=False) + "\n" for sign in signs).encode())

    # The services, in ISO 8859-1.
    rows = "".join(f'  <service code="{code}">\n    <libellé>{name}</libellé>\n    <lits>{R.randint(8, 40)}</lits>\n  </service>\n' for code, name in SERVICES)
    put("services.xml", f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<établissement>\n <services>\n{rows} </services>\n</établissement>\n'.encode("latin-1"))

    # Readings of sensors.
    schema = fastavro.parse_schema({"type": "record", "name": "Mesure", "fields": [
        {"name": "capteur", "type": "string"}, {"name": "service", "type": "string"},
        {"name": "mesure_le", "type": {"type": "long", "logicalType": "timestamp-millis"}}, {"name": "co2_ppm", "type": ["null", "int"]}]})
    out = io.BytesIO()
    start = dt.datetime(2025, 6, 1, tzinfo=dt.timezone.utc)
    fastavro.writer(out, schema, [{"capteur": f"C{n % 12:02d}", "service": SERVICES[n % 5][0], "mesure_le": start + dt.timedelta(minutes=5 * n),
                                   "co2_ppm": None if n % 50 == 0 else R.randrange(400, 1500)} for n in range(800)], codec="deflate", sync_marker=b"0123456789abcdef")
    put("capteurs.avro", out.getvalue())

    # The laboratory's results.
    table = pa.table({
        "prélèvement": pa.array([f"L{n + 1:06d}" for n in range(500)]),
        "séjour": pa.array([R.choice(stays)["stay"] for _ in range(500)]),
        "analyse": pa.array([R.choice(["glycémie", "créatinine", "CRP"]) for _ in range(500)]),
        "valeur": pa.array([round(R.uniform(0.2, 12), 3) for _ in range(500)]),
        "rendu_le": pa.array([dt.date(2025, 1, 1) + dt.timedelta(days=R.randrange(360)) for _ in range(500)]),
    })
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    put("laboratoire.parquet", out.getvalue())

    # The list of prices, from a mainframe: columns at fixed places.
    prices = [(act, R.randrange(10, 900)) for act in ACTS * 8]
    lines = [f"{n + 1:04d} {act:<16}{price:>7}{'EUR':>5}" for n, (act, price) in enumerate(prices)]
    put("tarifs.txt", ("\n".join(lines) + "\n").encode("cp1252"))

    # The same export, month by month.
    for month in (1, 2):
        lines = ["jour;passages;attente (min)"] + [f"2025-{month:02d}-{day:02d};{R.randrange(20, 140)};{comma(R.uniform(8, 95))}" for day in range(1, 29)]
        put(f"urgences_2025-{month:02d}.csv", ("\n".join(lines) + "\n").encode("cp1252"))

    expected(people, stays, acts, table, prices)
    put("notice.pdf", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< >>\nendobj\n\x00\x01\x02\x03trailer\n%%EOF\n")


main()
