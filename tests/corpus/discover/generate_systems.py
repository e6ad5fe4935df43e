#!/usr/bin/env python3
"""Columns as systems of hospitals, towns, banks and industry write them: `python3 generate_systems.py` writes systems.csv and systems/*.csv beside itself. Seeded; nobody's data."""
import csv, os, random, re, hashlib, unicodedata, datetime as D
R = random.Random(90417733)
HERE = os.path.dirname(os.path.abspath(__file__))
c = R.choice; ri = R.randint
FN = """Aurélie Baptiste Cédric Delphine Émeline Fabrice Gwenaëlle Hervé Isabelle Jean-Loup Killian Ludivine Maëlys Noémie Océane Perrine Quentin Romuald Solenne Thibaud Ursule Valentin Xavière Yoann Zoé Abdoulaye Aïssatou Bintou Cheikh Djibril Fatoumata Idrissa Khady Mamadou Ousmane Rokhaya Souleymane Amina Bilal Chaïma Farid Hicham Khadija Lahcen Mounir Nawel Rachid Samira Tarek Wassim Yasmina Zineb Agnieszka Bartosz Dariusz Ewelina Grzegorz Katarzyna Małgorzata Przemysław Wojciech Bogdan Cosmin Ionela Mihaela Răzvan Afonso Beatriz Duarte Filipa Joaquim Leonor Rui Alejandro Consuelo Iñaki Jimena Maite Nuria Alessio Chiara Giancarlo Ludovica Raffaele Ebru Emre Gülşen Kerem Özlem Serkan Anh Duc Huong Linh Quoc Thanh Trang Bao Haruto Kenji Sakura Yuki Jian Mei Wei Xiuying Jisoo Minjun Aarav Deepika Gurpreet Harsh Ishita Kavya Lakshmi Nikhil Priyanka Rajesh Siddharth Vikram Adaeze Babatunde Chidi Folasade Ngozi Olumide Temitope Kwame Akosua Ayodele Alistair Bronwen Callum Deirdre Eilidh Fergus Gareth Hamish Imogen Jocelyn Kieran Llewelyn Morag Niamh Oonagh Piers Rhiannon Saoirse Tamsin Verity Wilfred Brandi Cody Darnell Kaylee LaToya Trevor Astrid Bjørn Freja Henrik Ingrid Lars Sólveig Jelena Milan Nemanja Snežana Ivana Anatoly Dmytro Oksana Svitlana Tetiana Yaroslav Ahmadou Moana Teva Hina Soazig Erwan Nolwenn Maden Ganix""".split()
LN = """Abadie Baudouin Chastagnier Delacroix Escoffier Froment Guillemot Hauteclocque Imbert Jolivet Kervella Lamoureux Montagnon Nivet Orsoni Pelletan Quéré Rouvière Sauvageot Thévenon Ulrich Vasseur Weil Ybert Zanetti Bonnaffé Cazeneuve Desrumaux Estrade Fontvieille Gicquel Lhomme Mézières Pasquier Rabouin Schweitzer Trouillard Vaillancourt Petit Lemoine Girard Roussel Boulanger Diallo Ba Camara Coulibaly Cissé Ndour Sarr Traoré Keïta Touré Mbaye Bensaïd Cherkaoui Daoudi El-Amrani Ferhat Guendouz Hamdaoui Khelifi Lamrani Mansouri Ouali Saïdi Tazi Ziani Kowalczuk Nowicki Szymański Wójcik Zieliński Dąbrowska Popescu Ionescu Dumitrescu Almeida Carvalho Esteves Figueiredo Gonçalves Magalhães Pinheiro Etxeberria Fernández Gutiérrez Ibáñez Muñoz Bianchi Colombo Esposito Ricciardi Aydın Demir Kaya Öztürk Yıldız Đặng Hoàng Nguyen Pham Tran Vo Tanaka Nakamura Chen Huang Zhang Kim Park Agarwal Banerjee Chowdhury Dhillon Iyer Krishnan Mukherjee Patel Sandhu Venkataraman Adeyemi Chukwu Eze Okonkwo Oyelaran Asante Mensah Boateng Abercrombie Birtwhistle Cholmondeley Davies Entwistle Farquharson Gallagher Higginbotham Ingham Jarvis Kirkbride Lowther MacAskill Norrington O'Callaghan Postlethwaite Quigley Ramsbottom Stubbs Treharne Urquhart Vance Whitcombe Yardley Walker Hughes Turner Jefferson Kowalski Andersson Bergström Christensen Halvorsen Lindqvist Mäkinen Petrović Kovačević Shevchenko Bondarenko Tkachenko Teissier Hoarau Grondin-Payet Robinet Tehei Ihidoy Le-Gall Prigent Ziegler Haberkorn""".split()
FN = [x.replace('_', ' ') for x in FN]
LN = LN + ["Le Goff", "de La Tour", "van den Berg", "Ben Youssef", "Da Silva", "El Haddad", "Mac Giolla", "du Plessis", "Saint-Martin"]
def asc(s):
    s = s.replace('ł','l').replace('Ł','L').replace('ø','o').replace('Đ','D').replace('ı','i')
    return unicodedata.normalize('NFD', s).encode('ascii','ignore').decode()
def slug(s): return re.sub(r'[^a-z]', '', asc(s).lower())
FRV = """Lille Roubaix Tourcoing Valence Montélimar Quimper Brest Vannes Pau Bayonne Saint-Étienne Clermont-Ferrand Colmar Mulhouse Dijon Nevers Châteauroux Limoges Ajaccio Cayenne Saint-Denis Perpignan Béziers Évreux Le_Mans Laval Cholet Fréjus""".replace('_',' ').split('\n')[0].split()
FRV = [v for v in FRV if v not in ('Le','Mans')] + ['Le Mans',"L'Haÿ-les-Roses",'Aix-les-Bains']
ENV = ["Leeds","Swansea","Kirkcaldy","Bristol","Derry","Norwich","Hull","Stoke-on-Trent","Milton Keynes","Truro","Aberdeen","Croydon","Wrexham","Boise","Tulsa"]
VO = ["rue","avenue","boulevard","chemin","impasse","place","allée","quai","route","cours","sente","venelle"]
VN = ["des Lavandières","Jean Moulin","du Moulin à Vent","de la République","Louise Michel","des Quatre-Vents","du Général Leclerc","de Strasbourg","des Acacias","Victor Schœlcher","du Puits","Pierre Brossolette","de la Gare","Aimé Césaire","des Tanneurs","du 8 Mai 1945","Simone Veil","de Kerguelen","Saint-Exupéry","des Bleuets"]
EN1 = ["Harcourt","Mill","Church","Victoria","Beech","Old Forge","Station","Kingfisher","Albany","Tannery","Queen's","St Aidan's","Fenwick","Larch","Moorside","Park","Ropewalk","Windmill"]
EN2 = ["Road","Street","Lane","Close","Terrace","Drive","Avenue","Crescent","Way","Gardens","Mews","Hill"]
def fradr(full=False):
    a = f"{ri(1,199)}{c(['','','','',' bis',' ter','B'])}{c([' ',' ',', '])}{c([c(VO), c(VO).capitalize(), c(VO), {'av':1} and c(['av.','bd','r.','Rte'])])} {c(VN)}"
    x = R.random()
    if x < .08: a = f"Lieu-dit {c(['Kerbras','La Borie','Le Grand Bois','Les Combes'])}"
    elif x < .16: a = f"Rés. {c(['Les Tilleuls','du Parc','Bellevue'])} bât. {c('ABCD')} apt {ri(1,90)} - " + a
    elif x < .3: a = asc(a).upper()
    return a + (f"{c([', ',' - ',' '])}{ri(1,95):02d}{ri(0,99)*10:03d} {c(FRV)}" if full else '')
def pc(): return f"{c(['LS','SA','KY','BS','NR','HU','ST','MK','TR','AB','CR','LL','M','B','G','SW'])}{ri(1,19)} {ri(1,9)}{c('ABDEFGHJLNPQRSTUWXYZ')}{c('ABDEFGHJLNPQRSTUWXYZ')}"
def enadr(full=False):
    a = f"{ri(1,240)}{c(['','','','a'])} {c(EN1)} {c(EN2)}"
    x = R.random()
    if x < .12: a = f"Flat {ri(1,40)}, " + a
    elif x < .2: a = f"{c(['Rose Cottage','The Old Rectory','Brackenhill House','Unit 4'])}, {c(EN1)} {c(EN2)}"
    elif x < .26: a = a.upper()
    return a + (f", {c(ENV)}{c([', ',' '])}{pc()}" if full else '')
def dt(a, b):
    a = D.date(*a); b = D.date(*b); return a + D.timedelta(days=ri(0, (b-a).days))
def birth(): return dt((1932,1,1),(2006,12,31))
def rec(): return dt((2021,1,4),(2026,9,30))
FR = '%d/%m/%Y'; ISO = '%Y-%m-%d'; YMD = '%Y%m%d'
def ts(f='%Y-%m-%d %H:%M'): return D.datetime.combine(rec(), D.time(ri(0,23), ri(0,59))).strftime(f)
def luhn(body):
    s = 0
    for i, ch in enumerate(reversed(body)):
        d = int(ch)
        if i % 2 == 0:
            d *= 2
            if d > 9: d -= 9
        s += d
    return body + str(-s % 10)
def digs(n, first='123456789'): return c(first) + ''.join(c('0123456789') for _ in range(n-1))
def siren(): return luhn(digs(8, '345789'))
def siret(): 
    return luhn(siren() + f"{ri(1,240):05d}"[1:] .rjust(4,'0'))if False else luhn(siren() + f"000{ri(1,29):01d}"[-4:].rjust(4,'0'))
def ean13():
    b = digs(12, '345678'); s = sum(int(x)*(3 if i%2 else 1) for i,x in enumerate(b)); return b + str(-s % 10)
def card(): 
    return luhn(c(['4','51','52','53','4970','4973','5132']).ljust(1) and (lambda p: p + ''.join(c('0123456789') for _ in range(15-len(p))))(c(['4','4970','4973','51','5132','54','55'])))
def mod97(s): return int(''.join(str(int(x,36)) for x in s)) % 97
def iban(cc=None, bad=False):
    cc = cc or c(['FR']*5+['DE','BE','GB'])
    if cc == 'FR':
        b, g, a = digs(5), digs(5,'0'), digs(11,'01234567')
        k = 97 - (89*int(b)+15*int(g)+3*int(a)) % 97; bb = b+g+a+f"{k:02d}"
    elif cc == 'DE': bb = digs(18)
    elif cc == 'BE':
        x = digs(10); bb = x + f"{(int(x)%97) or 97:02d}"
    else: bb = c(['BARC','LOYD','NWBK','MIDL','HBUK']) + digs(14,'0123456')
    k = 98 - mod97(bb + cc + '00')
    if bad: k = k + ri(1,40) if k < 50 else k - ri(1,40)
    return f"{cc}{k:02d}{bb}"
def g4(s): return ' '.join(s[i:i+4] for i in range(0, len(s), 4))
def nir(b, sex, corse=True):
    dep = c(['59','75','13','33','69','29','67','06','01']+(['2A','2B'] if corse else []))
    r = f"{sex}{b:%y%m}{dep}{ri(1,560):03d}{ri(1,420):03d}"
    n = int(r.replace('2A','19').replace('2B','18')); return r + f"{97 - n % 97:02d}"
def nirsp(n): return f"{n[0]} {n[1:3]} {n[3:5]} {n[5:7]} {n[7:10]} {n[10:13]} {n[13:]}"
def nino():
    s = f"{c('ABCEGHJLMPRSTWY')}{c('ABCEGHJLMPRSTWXYZ')}{ri(0,999999):06d}{c('ABCD')}"
    return s if R.random() < .6 else f"{s[:2]} {s[2:4]} {s[4:6]} {s[6:8]} {s[8]}"
def nhs():
    while 1:
        b = digs(9,'4679'); k = 11 - sum(int(x)*(10-i) for i,x in enumerate(b)) % 11
        if k == 11: k = 0
        if k < 10: b += str(k); return f"{b[:3]} {b[3:6]} {b[6:]}"
def dvla(p, b):
    s = (slug(p.ln).upper() + '99999')[:5]; y = f"{b:%y}"; m = b.month + (50 if p.sex == 2 else 0)
    return f"{s}{y[0]}{m:02d}{b.day:02d}{y[1]}{asc(p.fn)[0].upper()}9{c('ABCDEGHJKLMN')}{c('ABCDEFHJKL')}{c('ABCDEFGH')}"[:16]
def natid(b):
    k = ri(0,3)
    if k == 0:
        n = ri(10000000,79999999); return f"{n}{'TRWAGMYFPDXBNJZSQVHLCKE'[n%23]}"
    if k == 1:
        n = ri(0,9999999); return f"X{n:07d}{'TRWAGMYFPDXBNJZSQVHLCKE'[n%23]}"
    if k == 2:
        s = f"{b:%y%m%d}{ri(1,997):03d}"; ck = 97 - int(('2' if b.year>=2000 else '')+s) % 97
        return f"{s[:2]}.{s[2:4]}.{s[4:6]}-{s[6:]}.{ck:02d}"
    s = f"{b:%y}{b.month+(20 if b.year>=2000 else 0):02d}{b:%d}{ri(0,9999):04d}"
    return s + str(-sum(int(x)*w for x,w in zip(s,[1,3,7,9]*3)) % 10)
def passport(): return c([lambda: f"{ri(10,23)}{c('ABCDEFHKV')}{c('ABCDEFHKV')}{ri(10000,99999)}", lambda: str(ri(500000000,569999999)), lambda: f"C{c('0FGHJKLMNPRTVWXYZ')}{ri(1000000,9999999)}", lambda: f"{c('ABEGHJ')}{c('ABERT')}{ri(1000000,9999999)}", lambda: f"P{ri(1000000,9999999)}"])()
def frtel():
    p = c(['06','07','06','01','03','04','09']); d = [f"{ri(0,99):02d}" for _ in range(4)]; f = ri(0,6)
    if f <= 1: return p + ''.join(d)
    if f <= 3: return ' '.join([p]+d)
    if f == 4: return '.'.join([p]+d)
    if f == 5: return f"+33 {p[1]} " + ' '.join(d)
    return f"+33{p[1]}" + ''.join(d)
def entel():
    f = ri(0,5); n = f"{ri(0,999999):06d}"
    return [f"07{ri(400,999)} {n}", f"07{ri(400,999)}{n}", f"+44 7{ri(400,999)} {n}", f"0{c(['113','117','161','121'])} {ri(200,999)} {ri(1000,9999)}", f"(0{c(['1792','1592','1603'])}) {n}", f"+447{ri(400,999)}{n}"][f]
def intl():
    return c([entel, frtel, lambda: f"+49 {ri(151,179)} {ri(1000000,9999999)}", lambda: f"+1 ({ri(201,989)}) {ri(200,999)}-{ri(1000,9999)}", lambda: f"+234 80{ri(2,9)} {ri(100,999)} {ri(1000,9999)}", lambda: f"0048 {ri(500,799)} {ri(100,999)} {ri(100,999)}"])()
def ip4(): return c([lambda: f"10.{ri(0,60)}.{ri(0,255)}.{ri(1,254)}", lambda: f"192.168.{ri(0,20)}.{ri(1,254)}", lambda: f"{c([2,37,78,81,86,90,92,109,176,185,212])}.{ri(0,255)}.{ri(0,255)}.{ri(1,254)}"])()
def ip6(): return c([lambda: f"2a01:e0a:{ri(1,65535):x}:{ri(1,65535):x}::{ri(1,65535):x}", lambda: f"fe80::{ri(1,65535):x}:{ri(1,65535):x}:feaa:{ri(1,65535):x}", lambda: f"2001:db8:{ri(1,65535):x}:0:{ri(1,65535):x}:{ri(1,65535):x}:{ri(1,65535):x}:{ri(1,65535):x}"])()
def hexs(n): return ''.join(c('0123456789abcdef') for _ in range(n))
def mac(): return ':'.join(hexs(2) for _ in range(6))
def work(p):
    if p.b.year < 1958 or p.b.year > 2005: p.b = dt((1959,1,1),(2004,12,31))
    return p
class P:
    def __init__(s): s.fn = c(FN); s.ln = c(LN); s.b = birth(); s.sex = ri(1,2)
    def mail(s, en=False):
        d = c(["gmail.com","hotmail.co.uk","btinternet.com","outlook.com","yahoo.com","proton.me","icloud.com"] if en else ["gmail.com","orange.fr","wanadoo.fr","free.fr","laposte.net","hotmail.fr","sfr.fr","outlook.com"])
        f, l = slug(s.fn), slug(s.ln)
        m = c([f"{f}.{l}", f"{f[0]}{l}{ri(1,99)}", f"{l}.{f}", f"{f}{s.b:%y}", f"{l}_{f[0]}", f"{f}-{l}"]) + '@' + d
        return m.upper() if R.random() < .04 else m
    def fl(s): return f"{s.fn} {s.ln}"
    def LF(s): return f"{s.ln.upper()} {s.fn}"
    def lcf(s): return f"{s.ln}, {s.fn}"
def dirty(s):
    x = R.random()
    return s.upper() if x < .07 else asc(s) if x < .14 else s.lower() if x < .17 else s + ' ' if x < .2 else s
def np(): return P()
STAFF_F = [P() for _ in range(17)]; STAFF_E = [P() for _ in range(19)]
LABELS = []
TOK = {'caf_allocataires':'N/C','kyc_file':'N/A','vpn_fw':'-','fournisseurs_marches':'NC','sejours_mco':'NULL'}
def table(name, n, cols):
    assert len({x[0] for x in cols}) == len(cols), name
    rows = [[c_[0] for c_ in cols]]
    for i in range(n):
        p = P(); row = []
        for col in cols:
            nul = col[4] if len(col) > 4 else 0
            v = col[3](p, i)
            tok = c(['','','',TOK[name]]) if name in TOK and col[2] == 'string' else ''
            if nul and R.random() < nul: v = tok
            row.append(str(v))
        rows.append(row)
    with open(f"{HERE}/systems/{name}.csv", 'w', newline='', encoding='utf-8') as f: csv.writer(f, lineterminator='\n').writerows(rows)
    for k, col in enumerate(cols):
        LABELS.append((name, col[0], col[1], col[2])); check(name, col, [r[k] for r in rows[1:] if r[k] != ''])
FMT = {'dd/MM/yyyy':FR,'yyyyMMdd':YMD,'dd.MM.yyyy':'%d.%m.%Y','dd-MM-yyyy':'%d-%m-%Y','HH:mm':'%H:%M','HH:mm:ss':'%H:%M:%S','yyyy-MM-dd HH:mm':'%Y-%m-%d %H:%M','dd/MM/yyyy HH:mm':'%d/%m/%Y %H:%M'}
def fits(v, t):
    try:
        if t == 'int32': return bool(re.fullmatch(r'-?(0|[1-9]\d*)', v)) and abs(int(v)) < 2**31
        if t == 'int64': return bool(re.fullmatch(r'-?(0|[1-9]\d*)', v)) and abs(int(v)) < 2**63
        if t == 'float64': return bool(re.fullmatch(r'-?(0|[1-9]\d*)(\.\d+)?', v))
        if t == 'boolean': return v in ('true','false')
        if t == 'date': D.datetime.strptime(v, ISO); return True
        if ' ' in t: D.datetime.strptime(v, FMT[t.split(' ',1)[1]]); return True
    except ValueError: return False
    raise Exception(t)
def check(name, col, vs):
    t = col[2]; assert len(vs) > 30, (name, col[0])
    cand = ['int32','int64','float64','boolean','date'] + ['x ' + f for f in FMT]
    ok = [k for k in cand if all(fits(v, k) for v in vs)]
    if t == 'string': assert not ok, (name, col[0], ok, vs[:3])
    else:
        k = 'x ' + t.split(' ',1)[1] if ' ' in t else t
        assert k in ok, (name, col[0], [v for v in vs if not fits(v, k)][:3])
        if t == 'int64': assert 'int32' not in ok, (name, col[0])
        if t == 'float64': assert 'int64' not in ok, (name, col[0])
S='string'; N=''; PN='person_name'; PA='postal_address'; I='int32'; L='int64'; F='float64'
def st(f): return f
IMM = lambda: f"{c('ABCDEFG')}{c('ABCDEFGHJKLM')}{ri(51,75)} {c('ABCDEFGHJK')}{c('ABCDEFGH')}{c('KLMNPRSTU')}"
def fdec(a,b): return f"{R.uniform(a,b):.2f}".replace('.',',')

table('etat_civil_actes', 210, [
 ('NUM_ACTE',N,S,lambda p,i:f"{ri(2019,2025)}/{i+1:05d}"),('TYP_ACTE',N,S,lambda p,i:c(['NAIS','MAR','DEC','REC'])),
 ('DT_ACTE',N,'date dd/MM/yyyy',lambda p,i:rec().strftime(FR)),('NOM',PN,S,lambda p,i:p.ln.upper()),
 ('PRENOMS',PN,S,lambda p,i:', '.join(R.sample(FN,ri(1,3)))),('DNAIS',"birth_date",'date dd/MM/yyyy',lambda p,i:p.b.strftime(FR),.03),
 ('LIEU_NAIS',N,S,lambda p,i:c(FRV).upper()),('PERE',PN,S,lambda p,i:np().LF(),.18),('MERE',PN,S,lambda p,i:np().LF()+c([' née '+c(LN).upper(),'']),.02),
 ('DECLARANT',PN,S,lambda p,i:c(['M. ','Mme ',''])+np().fl(),.48),('OEC',PN,S,lambda p,i:c(STAFF_F).LF()),
 ('NATIONALITE',N,S,lambda p,i:c(['Française','Malienne','Portugaise','Polonaise','Turque'])),('FEUILLET',N,I,lambda p,i:ri(1,400)),
 ('DOMICILE',PA,S,lambda p,i:fradr(True),.06),('MENTION',N,S,lambda p,i:c(['néant','PACS','divorce','rectification','légitimation']),.4)])

def nirp(p,i):
    n = nir(p.b,p.sex); return nirsp(n) if R.random()<.7 else n
table('caf_allocataires', 230, [
 ('MATRALLOC',N,S,lambda p,i:f"{ri(1,9999999):07d}{c('ABCDEFGHJK')}"),('NIR_ALLOC','nir',S,nirp,.04),('NOMPRE',PN,S,lambda p,i:dirty(p.LF())),
 ('DTNAIALL','birth_date','date yyyyMMdd',lambda p,i:p.b.strftime(YMD)),('NOMCONJ',PN,S,lambda p,i:np().LF(),.5),
 ('RIB_VERS','iban',S,lambda p,i:g4(iban('FR')) if R.random()<.5 else iban('FR'),.08),('CDPREST',N,S,lambda p,i:c(['RSA','AAH','APL','PPA','ASF','AF','ALS'])),
 ('QF',N,I,lambda p,i:ri(0,1900)),('NBENFCH',N,I,lambda p,i:ri(0,6)),('MTPREST',N,S,lambda p,i:fdec(80,1200)),
 ('TELPORT','phone',S,lambda p,i:frtel(),.3),('ADRL4',PA,S,lambda p,i:fradr()),('CP',N,S,lambda p,i:f"{c([1,2,6,13,29,59,69])*1000+ri(0,99)*10:05d}"),
 ('COMMUNE',N,S,lambda p,i:c(FRV)),('DTOUVDRO',N,'date yyyyMMdd',lambda p,i:rec().strftime(YMD)),('SITFAM',N,S,lambda p,i:c(['C','M','V','S','P'])),
 ('MELALLOC','email',S,lambda p,i:p.mail(),.5)])

table('demandes_mairie', 190, [
 ('Réf. demande',N,S,lambda p,i:f"GRU-{ri(23,26)}-{i*7+112:06d}"),('Objet',N,S,lambda p,i:c(["Nid-de-poule","Éclairage public en panne","Dépôt sauvage","Acte de naissance","Inscription cantine","Arbre dangereux","Carte de stationnement résident"])),
 ('Demandeur',PN,S,lambda p,i:f"{c(['M.','Mme','Mme','M. et Mme',''])} {c([p.fl(),p.LF(),p.ln])}".strip()),('Courriel','email',S,lambda p,i:p.mail(),.22),
 ('N° de contact','phone',S,lambda p,i:frtel()+c(['','','','',' (après 18h)']),.15),("Adresse de l'intervention",PA,S,lambda p,i:fradr(),.1),
 ('Quartier',N,S,lambda p,i:c(["Centre-ville","Les Hauts de Vallière","Saint-Jacques","La Plaine","Gare Sud","Jean Jaurès"])),
 ('Agent traitant',PN,S,lambda p,i:(lambda a:f"{a.fn[0]}. {a.ln}")(c(STAFF_F)),.12),('Service',N,S,lambda p,i:c(["Voirie","État civil","Espaces verts","Propreté","Régie scolaire"])),
 ('Créée le',N,'timestamp dd/MM/yyyy HH:mm',lambda p,i:ts('%d/%m/%Y %H:%M')),('Clôturée le',N,'date dd/MM/yyyy',lambda p,i:rec().strftime(FR),.45),
 ('Note /5',N,I,lambda p,i:ri(1,5),.5),('Urgent',N,S,lambda p,i:c(['Oui','Non'])),('X_L93',N,F,lambda p,i:f"{R.uniform(640000,660000):.2f}"),
 ('Canal',N,S,lambda p,i:c(['Guichet','Téléphone','Web','Courrier']))])

table('penalty_notices', 200, [
 ('NOTICE_NO',N,L,lambda p,i:luhn(digs(11))),('OFF_CODE',N,S,lambda p,i:c(['SP30','TS10','CU80','IN10','CD10','LC20','MS90'])),
 ('ISSUED',N,'timestamp yyyy-MM-dd HH:mm',lambda p,i:ts()),('RPTG_OFFICER',PN,S,lambda p,i:(lambda o:f"{c(['PC','PS','PCSO'])} {o.ln}" if 0 else f"{o.ln.upper()}, {o.fn[0]}")(c(STAFF_E))),
 ('COLLAR_NO',N,I,lambda p,i:ri(101,9899)),('REG_KEEPER',PN,S,lambda p,i:c(['MR ','MRS ','MS ','','DR '])+asc(p.fl()).upper(),.05),('KEEPER_ADDR_1',PA,S,lambda p,i:enadr().upper()),
 ('KEEPER_POSTCODE',N,S,lambda p,i:pc(),.05),('DRIVER_DOB','birth_date','date dd/MM/yyyy',lambda p,i:p.b.strftime(FR),.3),('DL_NUMBER','national_id',S,lambda p,i:dvla(p,p.b),.2),
 ('VRM',N,S,lambda p,i:IMM()),('VEH_MAKE',N,S,lambda p,i:c(['FORD','VAUXHALL','KIA','MERCEDES-BENZ','TESLA','SKODA','PEUGEOT'])),('SPEED_MPH',N,I,lambda p,i:ri(36,112),.35),
 ('FINE_GBP',N,I,lambda p,i:c([50,60,100,200,300])),('PAID',N,'boolean',lambda p,i:c(['true','false'])),('CAMERA_SITE',N,S,lambda p,i:c(['A40 Westway J3','M4 J32-33','A63 Hessle','M25 J9 CW','A90 Forth']))])

table('imms_register', 240, [
 ('nhsNumber','national_id',S,lambda p,i:nhs(),.06),('patForename',PN,S,lambda p,i:dirty(p.fn)),('patSurname',PN,S,lambda p,i:dirty(p.ln)),('patDob','birth_date','date',lambda p,i:p.b.strftime(ISO)),
 ('sex',N,S,lambda p,i:c('MFFMU')),('gpPracticeCode',N,S,lambda p,i:f"{c('ABCDEFGHJKLMNP')}{ri(81000,89999)}"),('givenDate',N,'date',lambda p,i:rec().strftime(ISO)),
 ('batchNo',N,S,lambda p,i:f"{c('EFGP')}{c('ABCDEFGK')}{ri(1000,9999)}"),('dose',N,I,lambda p,i:ri(1,5)),('injSite',N,S,lambda p,i:c(['LUA','RUA','LT','RT'])),
 ('clinicalIndication','health',S,lambda p,i:c(['Asthma on inhaled steroids','Pregnancy 2nd trimester','COPD','Type 2 diabetes','Immunosuppressed - methotrexate','CKD stage 4','Splenectomy','BMI > 40','Sickle cell disease','asthma','T2DM','HIV +ve','coeliac disease','Chronic liver disease (hep C)','Down syndrome','post-transplant kidney','epilepsy','heart failure NYHA III','multiple sclerosis']),.4),
 ('adverseReaction','health',S,lambda p,i:c(['sore arm','Urticaria','syncope post-dose','fever 38.9 & rigors','anaphylaxis - adrenaline given','lymphadenopathy L axilla','headache','rash on trunk','myalgia 2/7','nausea and vomiting','facial swelling','palpitations','injection site cellulitis','paraesthesia R hand','none reported']),.5),
 ('vaccinator',PN,S,lambda p,i:(lambda o:f"{o.fn} {o.ln}{c(['',' RGN',''])}")(STAFF_E[i%19])),('venue',N,S,lambda p,i:c(['Guildhall Vaccination Hub','Boots Broadmead','Riverside Surgery','Tesco Extra Car Park'])),
 ('carerMobile','phone',S,lambda p,i:entel(),.5),('coldChainOk',N,S,lambda p,i:c(['Y','Y','Y','N']))])

table('visites_sante_travail', 180, [
 ('V1',N,S,lambda p,i:f"{ri(1,99999):06d}"),('V2',PN,S,lambda p,i:c([work(p).fl(),p.LF()])),('V3','birth_date','date dd/MM/yyyy',lambda p,i:work(p).b.strftime(FR)),
 ('V4','nir',S,lambda p,i:nir(p.b,p.sex),.1),('V5',N,S,lambda p,i:c(['Cariste','Soudeuse','Opérateur presse','Comptable','Chauffeur PL','Aide-soignante','Infirmier de bloc'])),
 ('V6',N,'date dd/MM/yyyy',lambda p,i:rec().strftime(FR)),('V7',N,S,lambda p,i:c(['VIP','Reprise','Pré-reprise','Périodique','À la demande'])),
 ('V8','health',S,lambda p,i:c(['TMS épaule droite','lombalgie chronique','hypoacousie bilatérale','eczéma de contact aux résines','syndrome anxio-dépressif réactionnel','RAS','hernie discale L5-S1','asthme professionnel (isocyanates)','épicondylite','Syndrome du canal carpien G','surdité de perception','burn-out, arrêt 3 mois','diabète insulino-dépendant','hypertension artérielle non équilibrée','épilepsie stabilisée','plaques pleurales (amiante)','grossesse 5e mois','rhinite allergique','séquelles AVC','cervicalgies','tendinopathie coiffe D']),.35),
 ('V9',N,I,lambda p,i:ri(10,90)),('V10',PN,S,lambda p,i:f"Dr {STAFF_F[i%6].ln}"),('V11','phone',S,lambda p,i:frtel(),.4),
 ('V12',N,S,lambda p,i:c(['Fonderies du Vimeu SAS','Clinique des Cèdres','Transports Maillard & Fils','Ateliers Lorrains','SNC Plastiform'])),('V13','siret',L,lambda p,i:siret()),('V14',PA,S,lambda p,i:fradr(True),.2)])

table('blood_donations', 170, [
 ('DIN',N,S,lambda p,i:f"G{ri(1000,1999)} {ri(21,25)} {ri(100000,999999)} {c('ABCDEFGHK')}"),('DonorName',PN,S,lambda p,i:dirty(work(p).lcf())),('DonorBirth','birth_date','date dd-MM-yyyy',lambda p,i:p.b.strftime('%d-%m-%Y')),
 ('ABO_Rh','health',S,lambda p,i:c(['O POS','A POS','B POS','AB NEG','O NEG','A NEG'])),('DeferralReason','health',S,lambda p,i:c(['Low haemoglobin','Recent tattoo / hepatitis B risk','Malaria exposure','on isotretinoin','Hypertension 182/104','pregnant','iron deficiency anaemia','HIV PrEP','Syphilis serology +','recent endoscopy','epilepsy','URTI / cough','antibiotics for cellulitis','Transfused 1994','atrial fibrillation','West Nile virus area','warfarin']),.5),
 ('HomeAddr',PA,S,lambda p,i:enadr(True),.05),('Mobile','phone',S,lambda p,i:intl(),.1),('Mail','email',S,lambda p,i:p.mail(True),.2),
 ('Session',N,S,lambda p,i:c(['Swansea Brangwyn Hall','Hull Donor Centre','Mobile Unit 14','Truro Methodist Church'])),('Phleb',PN,S,lambda p,i:(lambda o:f"{o.fn[0]} {o.ln}")(STAFF_E[i%13])),
 ('Vol_ml',N,I,lambda p,i:ri(380,482)),('Expiry',N,'date',lambda p,i:rec().strftime(ISO)),('Component',N,S,lambda p,i:c(['RBC','PLT apheresis','FFP','Whole blood'])),
 ('BagLot',N,L,lambda p,i:luhn(digs(12))),('Start',N,'time HH:mm',lambda p,i:f"{ri(9,19):02d}:{ri(0,59):02d}")])

table('mortgage_apps', 190, [
 ('ApplicationRef',N,S,lambda p,i:f"MTG{ri(10000000,99999999)}"),('App1 Full Name',PN,S,lambda p,i:c(['Mr ','Mrs ','Miss ','Dr ','Mx '])+work(p).fl()),('App2 Full Name',PN,S,lambda p,i:np().fl(),.5),
 ('App1 DoB','birth_date','date dd/MM/yyyy',lambda p,i:p.b.strftime(FR)),('NINO','national_id',S,lambda p,i:nino(),.05),('Corr Address',PA,S,lambda p,i:enadr(True)),('Security Property',PA,S,lambda p,i:enadr(),.15),
 ('Employer',N,S,lambda p,i:c(['Tesco plc','NHS Lothian','Rolls-Royce','Self-employed','Capita','Arriva Yorkshire'])),('Loan Amt',N,I,lambda p,i:ri(60,900)*1000+ri(0,999)),('LTV',N,F,lambda p,i:f"{R.uniform(30,95):.1f}"),
 ('Product',N,S,lambda p,i:c(['2yr Fixed 4.89%','5yr Tracker','Help to Buy 75','BTL Flexi'])),('Broker',PN,S,lambda p,i:c(STAFF_E).fl(),.25),('Sort Code',N,S,lambda p,i:f"{ri(20,98)}-{ri(10,99)}-{ri(32,99)}"),
 ('DD Account','iban',S,lambda p,i:g4(iban('GB')) if R.random()<.6 else iban('GB'),.3),('Day Tel','phone',S,lambda p,i:entel(),.1),('Email 1','email',S,lambda p,i:p.mail(True)),
 ('Completion Dt',N,'date dd/MM/yyyy',lambda p,i:rec().strftime(FR),.4),('Passport Nr','passport',S,lambda p,i:passport(),.35),('Status',N,S,lambda p,i:c(['DIP','Offer','Valuation','Declined','Completed'])),('UPRN',N,L,lambda p,i:ri(10000000000,10095000000))])

table('litiges_carte', 200, [
 ('ID_LITIGE',N,S,lambda p,i:f"LIT{ri(100000,999999)}"),('NUM_CARTE','payment_card',S,lambda p,i:(lambda k: g4(k) if R.random()<.3 else k)(card())),('PORTEUR',PN,S,lambda p,i:asc(p.fl()).upper(),.04),('MT_CONTESTE',N,S,lambda p,i:fdec(3,900)),
 ('DEVISE',N,S,lambda p,i:c(['EUR','EUR','USD','GBP'])),('ENSEIGNE',N,S,lambda p,i:c(['AMAZON EU SARL','Leroy Merlin Vannes','MARTIN DUPONT COIFFURE','Uber *TRIP','SNCF Connect','Pharmacie du Marché','Chez Marcel'])),
 ('DT_TRX',N,'date yyyyMMdd',lambda p,i:rec().strftime(YMD)),('H_TRX',N,'time HH:mm:ss',lambda p,i:f"{ri(0,23):02d}:{ri(0,59):02d}:{ri(0,59):02d}"),('CD_MOTIF',N,I,lambda p,i:c([4837,4853,4863,4834])),('MCC',N,I,lambda p,i:c([5411,5912,4121,4112,5251,7230])),
 ('IP_CLIENT','ip_address',S,lambda p,i:ip4() if R.random()<.85 else ip6(),.45),('MEL','email',S,lambda p,i:p.mail(),.2),('GSM','phone',S,lambda p,i:frtel(),.25),('NO_AUTO',N,S,lambda p,i:f"{ri(0,999999):06d}"),
 ('REF_CDE_CCIAL',N,L,lambda p,i:luhn(digs(15,'6789'))),('GEST',PN,S,lambda p,i:c(STAFF_F).LF()),('FRAUDE',N,S,lambda p,i:c(['O','N']))])

table('mandats_sepa', 180, [
 ('RUM',N,S,lambda p,i:f"RUM-{ri(2015,2025)}-{hexs(8).upper()}"),('ICS',N,S,lambda p,i:f"FR{ri(10,97)}ZZZ{ri(100000,699999)}"),('Débiteur',PN,S,lambda p,i:dirty(c([p.LF(),'M. '+p.fl(),'Mme '+p.fl()]))),
 ('Cpte débit','iban',S,lambda p,i:iban() if R.random()<.7 else g4(iban())),('BIC',N,S,lambda p,i:c(['BNPAFRPPXXX','AGRIFRPP882','CMCIFR2A','PSSTFRPPLIL','SOGEFRPP','DEUTDEFF']),.2),('Créancier',N,S,lambda p,i:c(['EDF Particuliers','Mutuelle des Deux Rives','Free Mobile','Régie des Eaux du Trégor','École Sainte-Anne'])),
 ('Réf. interne',N,S,lambda p,i:iban('FR',True)),('Signé le',N,'date dd.MM.yyyy',lambda p,i:rec().strftime('%d.%m.%Y')),('Adresse débiteur',PA,S,lambda p,i:fradr(True),.12),('Séq.',N,S,lambda p,i:c(['FRST','RCUR','OOFF','FNAL'])),
 ('Montant',N,F,lambda p,i:f"{R.uniform(5,400):.2f}"),('Jour prél.',N,I,lambda p,i:c([5,10,15,25])),('Code rejet',N,S,lambda p,i:c(['AM04','MD01','AC04','MS02']),.5)])

table('kyc_file', 220, [
 ('cust_id',N,L,lambda p,i:ri(4000000000,9999999999)),('full_nm',PN,S,lambda p,i:dirty(c([p.fl(),p.lcf()]))),('aka',PN,S,lambda p,i:f"{c(FN)} {p.ln}",.5),('dob','birth_date','date',lambda p,i:p.b.strftime(ISO),.02),('nationality',N,S,lambda p,i:c(['GB','FR','NG','PL','IN','TR','US'])),
 ('docType',N,S,lambda p,i:c(['PP','NIC','DL','RP'])),('pp_no','passport',S,lambda p,i:passport(),.3),('natIdNbr','national_id',S,lambda p,i:natid(p.b),.2),('docExpiry',N,'date',lambda p,i:dt((2026,1,1),(2035,12,31)).strftime(ISO)),
 ('pep',N,'boolean',lambda p,i:c(['false','false','false','true'])),('riskScore',N,F,lambda p,i:f"{R.uniform(0,100):.1f}"),('resAddr',PA,S,lambda p,i:c([enadr,fradr])(True)),('mobNo','phone',S,lambda p,i:intl(),.08),('e_mail','email',S,lambda p,i:p.mail(True),.1),
 ('lastLoginFrom','ip_address',S,lambda p,i:ip4(),.3),('onboardDt',N,'date',lambda p,i:rec().strftime(ISO)),('srcFunds',N,S,lambda p,i:c(['Salary','Inheritance','Sale of business','Savings'])),('relMgr',PN,S,lambda p,i:c(STAFF_E).fl()),
 ('occupation',N,S,lambda p,i:c(['Baker','Retired','Mason','Software engineer','Barrister','Nurse'])),('vatNo',N,S,lambda p,i:c([f"GB{ri(100000000,999999999)}",f"IE{ri(1000000,9999999)}T"]),.5),('branch',N,S,lambda p,i:c(['Canary Wharf','St Helier','Leeds Park Row','Paris Haussmann']))])

table('badge_usine', 260, [
 ('HORODATAGE',N,'timestamp yyyy-MM-dd HH:mm',lambda p,i:ts()),('NO_BADGE',N,S,lambda p,i:hexs(8).upper()+c('ABCDEF')),('PORTEUR_BADGE',PN,S,lambda p,i:(lambda o:f"{o.ln.upper()} {o.fn[0]}.")(np()),.07),('LECTEUR',N,S,lambda p,i:f"LCT-{c(['N','S','E'])}{ri(1,24):02d}"),
 ('ZONE',N,S,lambda p,i:c(['Atelier Eiffel','Quai 3','Salle Curie','Magasin général','Peinture'])),('SENS',N,S,lambda p,i:c(['E','S'])),('CR',N,I,lambda p,i:c([0,0,0,12,40])),('VER_FW',N,S,lambda p,i:f"{ri(2,5)}.{ri(0,20)}.{ri(0,9)}.{ri(0,255)}"),
 ('STE_EXT',N,S,lambda p,i:c(['Onet','Securitas','Dalkia','Spie','Martin Chaudronnerie']),.5),('RESP',PN,S,lambda p,i:STAFF_F[i%9].fl(),.1),('ACHEM',N,S,lambda p,i:f"0{ri(1,5)}.{ri(10,99)}.{ri(10,99)}.{ri(0,9):02d}.{ri(0,30):02d}"),('ROLE',N,S,lambda p,i:c(["Chef d'équipe",'Intérimaire','Visiteur','Maintenance','Directeur']))])

table('work_orders', 190, [
 ('WO#',N,L,lambda p,i:luhn(digs(15,'4'))),('Asset Tag',N,S,lambda p,i:f"AT-{ri(0,99999):05d}"),('Serial',N,S,lambda p,i:f"{c('CFGS')}{hexs(9).upper()}Z"),('Part',N,S,lambda p,i:f"{c('ABFJKMR')}{ri(10,99)}.{ri(0,9)}"),('Raised By',PN,S,lambda p,i:dirty(p.fl()),.06),
 ('Callback','phone',S,lambda p,i:entel(),.4),('Assigned',PN,S,lambda p,i:(lambda o:f"{o.fn} {o.ln[0]}.")(c(STAFF_E)),.2),('Opened',N,'timestamp yyyy-MM-dd HH:mm',lambda p,i:ts()),('Pri',N,S,lambda p,i:c(['P1','P2','P3','P4'])),('State',N,S,lambda p,i:c(['Open','WIP','Awaiting parts','Closed'])),
 ('Plant',N,S,lambda p,i:c(['Port Talbot','Scunthorpe Rod Mill','Hamilton','Victoria Works'])),('OEM',N,S,lambda p,i:c(['Siemens','Atlas Copco','Rockwell','Alfa Laval','John Deere','Bosch'])),('Downtime min',N,I,lambda p,i:ri(0,2400),.3),('GTIN',N,L,lambda p,i:ean13()),
 ('Failure',N,S,lambda p,i:c(['bearing fatigue','coolant allergy valve stuck','hydraulic leak','sensor blind','pump infection filter clogged','arm joint seized'])),('Checklist SHA1',N,S,lambda p,i:hexs(40)),('Cost',N,F,lambda p,i:f"{R.uniform(10,9000):.2f}")])

table('vpn_fw', 300, [
 ('d',N,'date',lambda p,i:rec().strftime(ISO)),('t',N,'time HH:mm:ss',lambda p,i:f"{ri(0,23):02d}:{ri(0,59):02d}:{ri(0,59):02d}"),('upn','email',S,lambda p,i:f"{slug(p.fn)}.{slug(p.ln)}@{c(['corp.northgate-water.co.uk','northgate-water.co.uk'])}",.2),('src','ip_address',S,lambda p,i:ip4()),
 ('dst','ip_address',S,lambda p,i:ip4()),('xlatesrc','ip_address',S,lambda p,i:ip4(),.5),('sport',N,I,lambda p,i:ri(1024,65535)),('dport',N,I,lambda p,i:c([22,53,80,443,3389])),('bytes_out',N,L,lambda p,i:c([ri(100,99999),ri(3000000000,9000000000)])),('act',N,S,lambda p,i:c(['accept','drop','reset'])),
 ('rule',N,S,lambda p,i:c(['rule_17','allow-web','deny-any','VPN-Contractors'])),('client_ver',N,S,lambda p,i:f"5.{ri(0,9)}.{ri(0,30)}.{ri(100,255)}"),('sess',N,S,lambda p,i:f"{hexs(8)}-{hexs(4)}-4{hexs(3)}-a{hexs(3)}-{hexs(12)}"),('sha256',N,S,lambda p,i:hexs(64),.5),('hostname',N,S,lambda p,i:f"LT-{c(['LDS','HUL','MKY'])}-{ri(1000,9999)}"),('geo',N,S,lambda p,i:c(ENV))])

table('wlan_ports', 170, [
 ('clientMac','mac_address',S,lambda p,i:mac()),('apName',N,S,lambda p,i:f"AP-{c('BCD')}{ri(1,4)}-{ri(1,30):02d}"),('ssid',N,S,lambda p,i:c(['eduroam','Guest','HospitalStaff','IoT-2G'])),('clientV6','ip_address',S,lambda p,i:ip6(),.3),('rssi',N,I,lambda p,i:-ri(38,88)),('swMgmt','ip_address',S,lambda p,i:f"172.{ri(16,31)}.{ri(0,255)}.{ri(1,254)}"),
 ('ifName',N,S,lambda p,i:f"Gi{ri(1,4)}/0/{ri(1,48)}"),('vlan',N,I,lambda p,i:c([10,20,120,300])),('ifAlias',N,S,lambda p,i:c(['uplink core-1','Room Fleming','printer HP','MRI console','spare'])),('regOwner',PN,S,lambda p,i:p.fl(),.35),('sysOid',N,S,lambda p,i:f"1.3.6.1.4.1.{ri(9,30)}.{ri(1,9)}"),
 ('uptime',N,I,lambda p,i:ri(10,9000000)),('snmpVer',N,S,lambda p,i:c(['v2c','v3'])),('netBlock',N,S,lambda p,i:f"10.{ri(0,60)}.{ri(0,255)}.0/24")])

def sirsp(p,i):
    s = siret(); return f"{s[:3]} {s[3:6]} {s[6:9]} {s[9:]}" if R.random()<.75 else s
def tva(): 
    s = siren(); return f"FR{(12+3*(int(s)%97))%97:02d}{s}"
table('fournisseurs_marches', 160, [
 ('CODE_FRS',N,S,lambda p,i:f"F{ri(1,9999):05d}"),('RAISON_SOC',N,S,lambda p,i:c(['Colas Ouest','SARL Ménard Frères','Bureau Veritas','Imprimerie Lecomte','Sodexo','Eurovia Bretagne','Pierre Martin Paysage SAS'])+c(['',' ','  '])),('SIRET','siret',S,sirsp,.04),('SIREN_MANDATAIRE','siret',I,lambda p,i:siren(),.4),('TVA_INTRA',N,S,lambda p,i:tva(),.1),
 ('INTERLOCUTEUR',PN,S,lambda p,i:c(['M. ','Mme ',''])+p.LF(),.15),('QUALITE',N,S,lambda p,i:c(['Gérant','Directrice commerciale','Chargé d’affaires','Président'])),('MAIL_INTERLOC','email',S,lambda p,i:f"{slug(p.fn)[0]}.{slug(p.ln)}@{c(['colas.fr','menard-freres.com','lecomte-imp.fr','veritas.com'])}",.15),('TEL_STD','phone',S,lambda p,i:frtel(),.1),
 ('ADR',PA,S,lambda p,i:c(['ZI Nord, ','','','BP 40 - '])+fradr()),('CP_VILLE',N,S,lambda p,i:f"{ri(10,95)}{ri(0,99)*10:03d} {c(FRV).upper()}"),('APE',N,S,lambda p,i:f"{ri(10,96)}{ri(10,99)}{c('ABZ')}"),('N_MARCHE',N,S,lambda p,i:f"{ri(2021,2026)}-{c(['TX','FCS','PI'])}-{ri(1,240):03d}-L{ri(1,6):02d}"),
 ('MT_HT',N,F,lambda p,i:f"{R.uniform(900,900000):.2f}"),('NOTIF',N,'date dd/MM/yyyy',lambda p,i:rec().strftime(FR)),('CPV',N,S,lambda p,i:f"{ri(30,98)}{ri(100,999)}000-{ri(0,9)}")])

table('catalogue_pieces', 150, [
 ('RÉF.',N,S,lambda p,i:f"{c('ABCEFGIJMS')}{ri(10,99)}.{ri(0,9)}"),('Désignation',N,S,lambda p,i:c(['Roulement à billes 6204','Genou articulé inox','Coude 90° laiton','Rotule M12','Tête fraisée','Clapet antiretour','Veine souple Ø8'])),('Gencod',N,L,lambda p,i:ean13()),('Marque',N,S,lambda p,i:c(['SKF','Legrand','Facom','Louis Vergnet','Schneider','Hager'])),
 ('PU HT',N,S,lambda p,i:f"{fdec(1,800)} €"),('Poids kg',N,F,lambda p,i:f"{R.uniform(.01,40):.3f}"),('Stock',N,I,lambda p,i:ri(0,900)),('Nomenc. douane',N,I,lambda p,i:c([84828000,73079980,84818099,85369095])),('Empl.',N,S,lambda p,i:f"{c('ABC')}-{ri(1,30):02d}-{ri(1,6)}"),('N° lot',N,L,lambda p,i:ri(100000000000,299999999999)),('Obsolète',N,S,lambda p,i:c(['non','non','oui'])),('Entrée cat.',N,'date dd/MM/yyyy',lambda p,i:rec().strftime(FR))])

table('timesheets', 200, [
 ('EMPNO',N,I,lambda p,i:ri(10000,89999)),('RESOURCE',PN,S,lambda p,i:p.lcf()),('WK_ENDING',N,'date',lambda p,i:rec().strftime(ISO)),('HRS',N,F,lambda p,i:f"{ri(0,160)/4:.2f}"),('PROJ',N,S,lambda p,i:c(['HS2 Package C','Project Turing','Victoria Upgrade','Overheads'])),('CC',N,S,lambda p,i:f"0{ri(1000,9999)}"),('APPROVED_BY',PN,S,lambda p,i:c(STAFF_E).lcf(),.3),('GRADE',N,S,lambda p,i:c(['B2','C1','D3','E'])),('SICK_NOTE','health',S,lambda p,i:c(['migraine','flu','back strain','stress - GP fit note','norovirus','broken wrist','post-op recovery','chemo cycle 3','food poisoning','Covid','tonsillitis','sciatica','depression','dental abscess','vertigo','kidney stones','hysterectomy','chest infection','D&V']),.5),('RATE',N,F,lambda p,i:f"{R.uniform(12,95):.2f}")])

table('social_posts', 180, [
 ('tweetId',N,L,lambda p,i:ri(1400000000000000000,1900000000000000000)),('authorDisplayName',PN,S,lambda p,i:p.fl()+c(['','','',' 🌻',' (she/her)'])),('createdAt',N,'timestamp yyyy-MM-dd HH:mm',lambda p,i:ts()),('body',N,S,lambda p,i:c(['Trains cancelled again','Great panel today #energy','Bin day moved?','Lovely sunset','Who has a spare ticket?'])),('likes',N,I,lambda p,i:ri(0,20000)),('blueTick',N,'boolean',lambda p,i:c(['true','false'])),('userLocation',N,S,lambda p,i:c(ENV+['somewhere over the rainbow','🌍']),.4),('client',N,S,lambda p,i:c(['iPhone','Android','Hootsuite','Web'])),('lang',N,S,lambda p,i:c(['en','fr','cy'])),('contactEmail','email',S,lambda p,i:p.mail(True),.5),('lat',N,F,lambda p,i:f"{R.uniform(50,58):.5f}",.5)])

table('inscriptions_salon', 170, [
 ('champ_1',N,I,lambda p,i:i+1001),('champ_2',PN,S,lambda p,i:dirty(p.fn)),('champ_3',PN,S,lambda p,i:dirty(p.ln),.03),('champ_4','email',S,lambda p,i:p.mail()+c(['','','',' '])),('champ_5','phone',L,lambda p,i:f"33{c('67')}{ri(10000000,99999999)}",.3),('champ_6',N,S,lambda p,i:c(['Orano','CHU de Nantes','Mairie de Pau','La Poste','Inserm','Thales'])),('champ_7',N,S,lambda p,i:c(['Atelier A','Plénière','Visite usine'])),('champ_8',PA,S,lambda p,i:fradr(),.3),('champ_9','health',S,lambda p,i:c(["allergie à l'arachide",'intolérance au gluten (maladie cœliaque)','diabète type 1','fauteuil roulant','malentendante','allergique aux crustacés','épilepsie','sans lactose (intolérance)','malvoyante, chien guide','allergie fruits à coque','enceinte','asthme','prothèse de hanche','allergie œuf','sclérose en plaques']),.5),('champ_10',N,S,lambda p,i:f"QR{hexs(10).upper()}X"),('champ_11',N,S,lambda p,i:c(['oui','non','OUI']),.1),('champ_12',N,S,lambda p,i:c(['Directeur','Chercheuse','Élu','Presse']))])

table('newsletter_members', 220, [
 ('EMAIL','email',S,lambda p,i:p.mail(True)),('FNAME',PN,S,lambda p,i:dirty(p.fn),.35),('LNAME',PN,S,lambda p,i:dirty(p.ln),.4),('MEMBER_RATING',N,I,lambda p,i:ri(1,5)),('OPTIN_TIME',N,'timestamp yyyy-MM-dd HH:mm',lambda p,i:ts()),('OPTIN_SRC','ip_address',S,lambda p,i:ip4(),.4),('EUID',N,S,lambda p,i:hexs(9)+'g'),('TAGS',N,S,lambda p,i:c(['donor','volunteer','press','"lapsed"']),.5),('BDAY','birth_date','date',lambda p,i:p.b.strftime(ISO),.5),('TZ',N,S,lambda p,i:c(['Europe/London','America/Boise','Europe/Paris'])),('MSISDN','phone',L,lambda p,i:f"447{ri(400000000,999999999)}",.4)])

table('capteurs_eau', 160, [
 ('devEUI',N,S,lambda p,i:'A8'+hexs(14).upper()),('nom_site',N,S,lambda p,i:c(['Réservoir Saint-Paul','Station Marie Curie','Forage de Kerlouan','Château d’eau nord'])),('mesure',N,F,lambda p,i:f"{R.uniform(0,14):.2f}"),('unite',N,S,lambda p,i:c(['pH','mS/cm','NTU','°C'])),('batterie',N,I,lambda p,i:ri(1,100),.2),('fw',N,S,lambda p,i:f"{ri(1,3)}.{ri(0,12)}.{ri(0,40)}"),('long',N,F,lambda p,i:f"{R.uniform(-4.7,7.2):.6f}"),('passerelle',N,S,lambda p,i:f"gw-{ri(1,30):02d}.reseau-eau.fr"),('mise_en_service',N,'date',lambda p,i:rec().strftime(ISO)),('etat',N,S,lambda p,i:c(['OK','Alarme','Hors ligne'])),('no_serie',N,L,lambda p,i:luhn(digs(14,'35'))),('iccid',N,S,lambda p,i:luhn('8933'+digs(14,'01'))+'F')])

table('sejours_mco', 200, [
 ('NDA',N,L,lambda p,i:ri(2500000000,2699999999)),('IPP',N,S,lambda p,i:f"{ri(1,9999999):010d}"),('NomUsuel',PN,S,lambda p,i:p.ln.upper()),('PrénomPat',PN,S,lambda p,i:dirty(p.fn)),('DDN','birth_date','date yyyyMMdd',lambda p,i:p.b.strftime(YMD)),('UF',N,S,lambda p,i:c(['0412','3301','2210','0078'])),
 ('DT_ENT',N,'date',lambda p,i:rec().strftime(ISO)),('DP','health',S,lambda p,i:c(['F320','I500','J441','E1190','C509','K359','S7200','N179','O800','Z511','G409','A419','I639','M170','K802'])),('DAS','health',S,lambda p,i:' '.join(R.sample(['I10','E780','N183','I48','F102','Z921','E669','D62','R13','L89'],ri(1,3))),.4),
 ('LIB_MOTIF','health',S,lambda p,i:c(['Fracture col fémoral D','Décompensation cardiaque','Pneumopathie hypoxémiante','Accouchement voie basse','AVC sylvien gauche','Cure chimio C4','Appendicite aiguë','Bilan AEG','Crise convulsive','Colique néphrétique','Sepsis urinaire','TS médicamenteuse','Gonarthrose - PTG','Rétention aiguë','IRA sur déshydratation']),.1),
 ('TTT_ENTREE','health',S,lambda p,i:c(['Kardégic 75','Metformine 1000 x2','Eliquis 5 mg','Levothyrox 75 µg','bisoprolol 2,5','Ventoline','Lasilix 40','Sertraline','Keppra 500','Insuline Lantus 18 UI']),.45),
 ('PRAT_RESP',PN,S,lambda p,i:f"{c(['Dr ','Pr ','DR '])}{STAFF_F[i%15].ln} {STAFF_F[i%15].fn}"),('PERS_A_PREVENIR',PN,S,lambda p,i:np().fl()+c(['',' (fille)',' (époux)',' (frère)']),.3),('TEL_PERS','phone',S,lambda p,i:frtel(),.35),('GHM',N,S,lambda p,i:f"{ri(1,27):02d}{c('CMK')}{ri(1,30):02d}{ri(1,4)}"),('LIT',N,S,lambda p,i:f"{ri(101,420)}{c('PF')}"),('MT_GHS',N,F,lambda p,i:f"{R.uniform(400,14000):.2f}"),('DUREE_J',N,I,lambda p,i:ri(0,60))])

table('charity_gifts', 170, [
 ('Gift ID',N,S,lambda p,i:f"GF-{ri(100000,999999)}"),('Donor',PN,S,lambda p,i:c([p.fl(),p.lcf(),f"Mr & Mrs {p.ln}",f"{p.fn[0]} {p.ln}"])),('PAN',"payment_card",S,lambda p,i:g4(card()),.4),('Exp',N,S,lambda p,i:f"{ri(1,12):02d}/{ri(26,31)}",.4),('Amt',N,F,lambda p,i:f"{R.uniform(2,500):.2f}"),('Gift Aid',N,'boolean',lambda p,i:c(['true','false'])),
 ('House & Street',PA,S,lambda p,i:enadr(),.1),('Town',N,S,lambda p,i:c(ENV)),('P/Code',N,S,lambda p,i:pc(),.05),('Appeal',N,S,lambda p,i:c(['Christmas 25','Florence Nightingale Fund','Turkey earthquake','Diabetes Research Walk'])),('Recd',N,'date dd/MM/yyyy',lambda p,i:rec().strftime(FR)),('Tel (eve)','phone',S,lambda p,i:entel(),.5),('Charity No',N,I,lambda p,i:c([1089464,216250,207544,220949])),('Receipt',N,L,lambda p,i:luhn(digs(15,'5')))])

with open(f"{HERE}/systems.csv",'w',newline='',encoding='utf-8') as f:
    w = csv.writer(f, lineterminator='\n'); w.writerow(['table','column','kind','type']); w.writerows(LABELS)
