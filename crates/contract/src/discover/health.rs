//! Terms of health, French and English, and codes of diagnoses, medicines and blood groups.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::words::fold;

/// Single words that speak of someone's health wherever they stand.
const TERMS: &str = "
abces abilify abortion abscess acariens accouchement acebutolol acetaminophen aciclovir acne acouphene acouphenes acromegalie actonel
actos acyclovir adalimumab adderall adenocarcinoma adenocarcinome adenoma adenome adhd advil aerius agoraphobie aids albuterol
alcoholism alcoolisme alendronate allergic allergie allergique allergy allopurinol alopecia alopecie alprazolam alzheimer amblyopie
amenorrhee amiodarone amitriptyline amlodipine amlor amoxicillin amoxicilline amoxil amputation amygdalite anaemia anafranil
anaphylactic anaphylaxie anaphylaxis anemia anemie aneurysm anevrisme angina angine angiome angioplastie angioplasty anorexia anorexie
anosmie anxiete anxiety aphasia aphasie aphte apixaban apnea apnee apoplexie appendectomy appendicectomie appendicite appendicitis
arachide arachides aricept aripiprazole arrhythmia arteriopathie arteriosclerose arteriosclerosis arthrite arthritis arthroscopie
arthroscopy arthrose arythmie asacol ascite asperger aspirin aspirine asthma asthmatique asthme astigmatism astigmatisme atarax ataxie
atenolol atherosclerose atherosclerosis ativan atorvastatin atorvastatine atrovent augmentin autism autisme autiste autistic avandia avc
avlocardyl avortement azithromycin azithromycine baclofen bactrim balanite basedow betadine betamethasone biopsie biopsy bipolaire
bipolar bisacodyl bisoprolol blepharite blindness boulimie bpco bradycardie bricanyl bromazepam bronchiolite bronchiolitis bronchite
bronchitis bronchopneumopathie brucellose bruxisme budesonide bulimia buprenorphine bupropion burnout bursite bursitis buspirone
cachexie caesarean cancer candesartan candidiasis candidose captopril carbamazepine carcinoma carcinome carvedilol cataract cataracte
cecite cefixime cefpodoxime ceftriaxone cefuroxime celebrex celecoxib celexa celiac cellulite cellulitis cephalee cephalees cephalexin
cervicalgie cesarienne cetirizine chemotherapy chikungunya chimiotherapie chirurgie chlamydia chlamydiose chlorthalidone cholangite
cholecystectomie cholecystite cholecystitis cholera cholesterolemie cialis cilest ciprofloxacin cirrhose cirrhosis citalopram
clarithromycin clarithromycine claritin claudication clindamycin clomid clonazepam clonidine clopidogrel clozapine codeine coeliaque
coelioscopie colchicine colectomie colique colite colitis colonoscopy coloscopie concussion condylome conjonctivite conjunctivitis
constipation contramal contusion convulsion convulsions copd coqueluche coronarographie coronaropathie coronavirus cortisone cough
coumadin coversyl covid cozaar crestor cushing cyclobenzaprine cymbalta cyphose cystite cystitis cytomegalovirus dafalgan daflon
deafness debridat delirium demence dementia dengue depakine depakote depressif depression dermatite dermatitis dermatose deroxat
desloratadine desogestrel dexamethasone dexeryl diabete diabetes diabetic diabetique dialyse dialysis diamicron diarrhea diarrhee
diarrhoea diazepam diclofenac diflucan digoxin digoxine diltiazem diosmine diovan diphterie diphtheria diprosone dislocation
diverticulite diverticulitis doliprane domperidone donepezil dorsalgie doxazosin doxycycline drepanocytose dulcolax duloxetine duphalac
dysarthrie dyscalculie dyslexia dyslexie dyslexique dysmenorrhee dysorthographie dyspepsia dyspepsie dysphagia dysphagie dysphasie
dyspnea dyspnee dyspraxie dystonie dystrophie dystrophy ebola ecchymose echographie eclampsia eczema edema efferalgan effexor elavil
electrocardiogramme eliquis embolie embolism emphysema emphyseme enalapril enbrel enceinte encephalite encephalitis encephalopathie
endocardite endocarditis endometriose endometriosis endometrite engelure enoxaparine entorse entresto enuresie epicondylite epiglottite
epilepsie epilepsy epipen epistaxis erysipele erytheme escarre escitalopram esomeprazole essoufflement ezetimibe famotidine fenofibrate
fentanyl ferinject fever fibrillation fibroid fibrome fibromyalgia fibromyalgie fibroscopie fibrose fibrosis fievre finasteride fistula
fistule flecaine flecainide flixotide flonase fluconazole fluoxetine fluticasone folliculite forlax fosamax fosfomycine fracture
fungizone furoncle furosemide gabapentin gabapentine gale gangrene gastrectomie gastrite gastritis gastroenterite gastroenteritis
gaviscon gerd gingivite glargine glaucoma glaucome gliclazide glimepiride glioblastome gliome glipizide glomerulonephrite glucophage
glyburide goiter goitre gonorrhea gonorrhee gout goutte graminees granulome grippe grossesse haemorrhage haldol hallucinations
haloperidol hashimoto headache headaches helicobacter hematoma hematome hematurie hemiplegia hemiplegie hemochromatose hemodialyse
hemodialysis hemophilia hemophilie hemorragie hemorrhage hemorrhoids hemorroides heparin heparine hepatite hepatitis hernia hernie
herpes hiv hodgkin hospitalisation humira huntington hydrocele hydrocephalie hydrochlorothiazide hydrocodone hydrocortisone
hydroxychloroquine hydroxyzine hypercholesterolemia hypercholesterolemie hyperglycemie hyperlipidemia hyperlipidemie hyperplasie
hypertendu hypertension hypertensive hyperthyroidie hyperthyroidism hypertriglyceridemie hypoacousie hypochondrie hypoglycemia
hypoglycemie hypokalemie hyponatremie hypotension hypothyroidie hypothyroidism hysterectomie hysterectomy ibuprofen ibuprofene ictere
immunotherapie immunotherapy imodium imovane impetigo imurel incontinence indigestion inexium infarctus infertilite infertility
infliximab influenza insomnia insomnie insulatard insulin insuline invokana ipratropium irbesartan ischemia ischemic ischemie isosorbide
isotretinoin ivermectine januvia jardiance jaundice kaletra kardegic keppra keratite keratose ketoconazole ketoprofen ketoprofene
kinesitherapie klipal klonopin ktipal kyste lamotrigine lansoprazole lantus laparotomie laryngite laryngitis lasilix lasix latanoprost
legionellose leishmaniose lepre leptospirose lercanidipine letrozole leucemie leucopenie leukaemia leukemia levetiracetam levothyrox
levothyroxine lexapro lexomil lipanthyl lipitor lipome lisdexamfetamine lisinopril listeriose lithiase lithium lithotripsie logopedie
lombalgie loperamide loratadine lorazepam losartan lovenox lumbago lunesta lupus luxation lyme lymphoma lymphome lyrica maculopathie
malaria mastectomie mastectomy mastite mastoidite measles melanoma melanome meloxicam memantine meniere meningiome meningite meningitis
menopause mesotheliome metastase metastases metastatic metformin metformine methadone methotrexate methylphenidate methylprednisolone
metoclopramide metoprolol metronidazole migraine mirtazapine miscarriage modafinil monkeypox mononucleose mononucleosis monoprost
montelukast mopral morphine motilium mucoviscidose mumps mupirocin myalgie mycose myeloma myelome myocardite myocarditis myopathie
myopia myopie myosite nabilone naevus naloxone naltrexone naproxen naproxene narcolepsie narcolepsy nasonex nausea nausee nebivolol
necrose nephrectomie nephrite nephritis nephropathie neuralgia neurontin neuropathie neuropathy neurosis neutropenie nevralgie nevrose
nexium nicorandil nifedipine nitrofurantoin nitroglycerin norfloxacine norvasc novolog novorapid nurofen nystagmus obese obesite obesity
oedeme oesophagite ofloxacine olanzapine omeprazol omeprazole ondansetron onychomycose orchite oreillons orelox orthophonie oseltamivir
osteite osteoarthritis osteomyelite osteopenia osteopenie osteoporose osteoporosis osteosarcome otite otitis oxazepam oxycodone
oxycontin ozempic pacemaker palpitations paludisme panaris pancreatite pancreatitis pantoprazole paracetamol paralysie paralysis
paranoia paraplegia paraplegie paraplegique parkinson parkinsonien parlodel parodontite paroxetine paxil peanut peanuts pelade pemphigus
penicillin penicilline penicillins pericardite pericarditis perindopril peritonite peritonitis pharyngite pharyngitis phenergan
phenobarbital phimosis phlebite phloroglucinol phobia phobie physiotherapy piroxicam pityriasis plaquenil plavix pleuresie pneumonia
pneumonie pneumothorax polio poliomyelite polyarthralgie polyarthrite polykystique polyp polype polypes pradaxa prasugrel pravastatin
pravastatine prazosin prednisolone prednisone preeclampsie pregabalin pregabaline pregnancy pregnant presbytie primperan pristinamycine
progesterone prolapsus promethazine propranolol prostatectomie prostatite prostatitis protelos prothese prozac prurit pruritus psoriasis
psychose psychosis psychotherapie psychotherapy pulmicort purpura pyelonephrite pyelonephritis quetiapine quinapril rabeprazole
racecadotril rachitisme radiotherapie radiotherapy ramipril ranitidine rectocolite remeron repaglinide retinite retinopathie retinopathy
rhabdomyolyse rheumatism rhinite rhinitis rhinopharyngite rhumatisme rhumatismes rhumatoide risperdal risperidone ritalin ritaline
rivaroxaban rivotril rocephine rosacee rosuvastatin rosuvastatine rougeole rubella rubeole salbutamol salmonellose salpingite sarcoidose
sarcoidosis sarcoma sarcome scabies scarlatine schizophrenia schizophrenie sciatica sciatique scleroderma sclerodermie sclerose
sclerosis scoliose scoliosis scorbut seborrheique seizure seizures sepsis septicemie seretide seroplex seroquel sertraline shingles sida
sildenafil silicose simvastatin singulair sinusite sinusitis sitagliptin sitagliptine smallpox smecta solumedrol solupred sotalol
spasfon spasmophilie spiriva spironolactone splenectomie spondylarthrite spondylitis sprain steatose stenose stenosis stent sterilite
stilnox stomatite strabisme strattera stroke subutex suicidaire suicidal sulfamides sumatriptan surdite surgery symbicort syncope
synovite synthroid syphilis tachycardia tachycardie tahor tamiflu tamoxifen tamsulosin tamsulosine tdah tegretol telmisartan temazepam
temesta tendinite tendinitis tendinopathie teratome terbinafine tercian tetanos tetanus tetraplegie tetraplegique thalassemia
thalassemie theralene thrombocytopenie thrombose thrombosis thyroidectomie thyroidite thyroiditis tinnitus tiorfan tonsillectomy
tonsillitis topamax topiramate toplexil torticolis toujeo toux toxoplasmose tracheotomie trachoma trachome tramadol tramal transfusion
trastuzumab trazodone tremblements tremor tresiba trichomonas trileptal trisomie trulicity tuberculose tuberculosis tumeur tumeurs tumor
tumour tylenol typhoid typhoide typhus ulcer ulcere ultram uremie uretrite urticaire urticaria uveite vaginite vaginosis valaciclovir
valacyclovir valium valproate valsartan varicelle vascularite vasculitis vasectomie vasten venlafaxine ventoline verapamil verrue
verrues vertiges vertigo viagra victoza vih virose vitiligo vogalene voltaren voltarene vomissement vomissements vomiting warfarin
warfarine wart wellbutrin whiplash xanax xarelto xerostomie xolair xyzall zestril zithromax zocor zoloft zolpidem zomig zona zopiclone
zovirax zyprexa zyrtec";

/// The same, of two words.
const PAIRS: &str = "\
    insuffisance renale, insuffisance cardiaque, heart failure, renal failure, kidney disease, heart disease, heart attack, high blood, \
    back pain, mal dos, douleur thoracique, chest pain, fibrillation auriculaire, atrial fibrillation, burn out, stress post, maladie \
    crohn, crohn disease, syndrome depressif, tennis elbow, arret cardiaque, cardiac arrest, rheumatoid arthritis, infection urinaire, \
    urinary tract, canal carpien, kidney stones, calculs renaux, kidney failure, chronic kidney, liver disease, hepatic failure, \
    insuffisance hepatique, insuffisance respiratoire, respiratory failure, respiratory infection, infection respiratoire, lung disease, \
    maladie coronarienne, coronary artery, valve disease, sleep apnea, panic attack, attaque panique, eating disorder, trouble bipolaire, \
    trouble anxieux, troubles anxieux, trouble alimentaire, anxiety disorder, personality disorder, attention deficit, deficit attention, \
    down syndrome, syndrome down, autism spectrum, spectre autistique, multiple sclerosis, joint pain, abdominal pain, douleur abdominale, \
    douleurs abdominales, douleur lombaire, neck pain, sore throat, mal gorge, mal tete, maux tete, runny nose, common cold, hay fever, \
    rhume foins, fruits coque, tree nuts, shellfish allergy, latex allergy, lactose intolerance, intolerance lactose, intolerance gluten, \
    gluten intolerance, high cholesterol, cesarean section, arret travail, blood transfusion, hip replacement, knee replacement, prothese \
    hanche, prothese genou, ligaments croises, rupture ligament, torn ligament, broken leg, broken arm, jambe cassee, bras casse, fracture \
    femur, infection pulmonaire, infection cutanee, skin infection, ear infection, maladie celiaque, celiac disease, lyme disease, maladie \
    lyme, syndrome canal, irritable bowel, colon irritable, acid reflux, reflux gastrique, heart murmur, souffle cardiaque, pulmonary \
    embolism, deep vein, arterial hypertension, visual impairment, hearing loss, perte audition, perte auditive, deficience visuelle, \
    deficience auditive, deficience intellectuelle, hearing impairment, learning disability, mobility impairment, mobilite reduite, \
    fauteuil roulant, wheelchair user, post traumatic, traumatisme cranien, head injury, spinal injury, hernie discale, disc herniation, \
    fausse couche, ovarian cyst, kyste ovarien, polycystic ovary, erectile dysfunction, vitamin deficiency, carence fer, iron deficiency, \
    thyroid disease, maladie auto, autoimmune disease, sickle cell, cystic fibrosis";

/// How names of operations, of inflammations and of medicines end (the stems of international nonproprietary names), in words of eight
/// letters and more.
const ENDINGS: &str = "\
    itis ectomie ectomy plastie plasty pathie pathy algie algia therapie therapy plegie plegia cardie cardia rrhee rrhea phobie phobia \
    aemia cilline cillin mycine mycin floxacine floxacin statine statin prazole sartan dipine gliptine gliptin gliflozine gliflozin \
    oxetine triptan conazole xaban gatran glutide azepam setron tinib zumab ximab";
/// Words that end so and name nothing of the body.
const NOT_ENDINGS: [&str; 10] =
    ["sympathie", "sympathy", "antipathie", "antipathy", "telepathie", "telepathy", "nostalgie", "nostalgia", "empathie", "xenophobie"];

static WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| TERMS.split_whitespace().collect());
static TWO_WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| PAIRS.split(',').map(str::trim).collect());

/// Whether a text names a disease, a symptom, a treatment or a medicine.
pub fn names_health(value: &str) -> bool {
    const LOOKED_AT_CHARS: usize = 400;
    if value.len() < 3 || !value.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        return false;
    }
    let folded = match value.char_indices().nth(LOOKED_AT_CHARS) {
        Some((end, _)) => fold(value.get(..end).unwrap_or_default()),
        None => fold(value),
    };
    let mut before = "";
    for token in folded
        .split(|letter: char| !letter.is_alphabetic())
        .filter(|token| !token.is_empty() && !["de", "d", "du", "des", "la", "le", "l", "a", "au", "aux", "of", "the"].contains(token))
    {
        let single = token.strip_suffix('s').unwrap_or(token);
        if WORDS.contains(token)
            || WORDS.contains(single)
            || ends_as_health(token)
            || ends_as_health(single)
            || (!before.is_empty() && TWO_WORDS.contains(format!("{before} {token}").as_str()))
        {
            return true;
        }
        before = token;
    }
    false
}

fn ends_as_health(word: &str) -> bool {
    word.len() >= 8 && ENDINGS.split(' ').any(|ending| word.ends_with(ending)) && !NOT_ENDINGS.contains(&word)
}

/// Codes of ICD-10, one or several.
pub fn are_icd10(value: &str) -> bool {
    let mut codes = value.split([' ', ',', ';', '|', '+']).filter(|code| !code.is_empty()).peekable();
    codes.peek().is_some() && codes.all(is_icd10)
}

/// A code of ICD-10 (CIM-10): a letter, two digits (the second may be a letter), and up to four characters after a point or none.
fn is_icd10(value: &str) -> bool {
    let [letter, digit, third, rest @ ..] = value.as_bytes() else { return false };
    let rest = rest.strip_prefix(b".").unwrap_or(rest);
    letter.is_ascii_uppercase()
        && digit.is_ascii_digit()
        && (third.is_ascii_digit() || b"AB".contains(third))
        && rest.len() <= 4
        && !value.ends_with('.')
        && rest.iter().enumerate().all(|(place, byte)| byte.is_ascii_digit() || (byte.is_ascii_uppercase() && (place > 0 || *byte == b'X')))
}

/// A whole code of the Anatomical Therapeutic Chemical classification: `A10BA02`.
pub fn is_atc(value: &str) -> bool {
    let [group, a, b, c, d, e, f] = value.as_bytes() else { return false };
    let number = |a: &u8, b: &u8| u32::from(a.wrapping_sub(b'0')) * 10 + u32::from(b.wrapping_sub(b'0'));
    b"ABCDGHJLMNPRSV".contains(group)
        && [a, b, e, f].iter().all(|byte| byte.is_ascii_digit())
        && [c, d].iter().all(|byte| byte.is_ascii_uppercase())
        && (1..=20).contains(&number(a, b))
        && number(e, f) > 0
}

/// A blood group with its rhesus factor: `A+`, `O neg`, `AB Rh-`, `B positif`.
pub fn is_blood_group(value: &str) -> bool {
    const RHESUS: [&str; 9] = ["+", "-", "−", "pos", "neg", "positif", "negatif", "positive", "negative"];
    if !value.starts_with(['A', 'B', 'O']) {
        return false;
    }
    let folded = fold(value);
    let Some(group) = RHESUS.iter().find_map(|factor| folded.strip_suffix(factor)) else { return false };
    let group = group.trim_end();
    let group = group.strip_suffix("rhd").or_else(|| group.strip_suffix("rh")).unwrap_or(group);
    ["a", "b", "ab", "o"].contains(&group.trim_end())
}

/// Whether a blood group is none of the marks of schools and agencies, which know A+ and B- too.
pub fn is_sure_blood_group(value: &str) -> bool {
    is_blood_group(value) && (value.starts_with('O') || value.starts_with("AB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_and_codes_of_health() {
        for right in [
            "Diabète de type 2",
            "allergie aux arachides",
            "Migraines",
            "Doliprane 1000 mg",
            "insuffisance rénale chronique",
            "type 1 diabetes",
            "Crise d'asthme",
            "Appendicectomie sous coelioscopie",
            "neuropathie périphérique",
            "Cefazolincillin 500",
            "kinésithérapie",
            "Mal de gorge",
            "mobilité réduite",
            "hay fever",
            "dyslexie",
            "polyneuritis",
            "Allergie aux fruits à coque",
            "mal au dos",
        ] {
            assert!(names_health(right), "{right}");
        }
        for wrong in [
            "",
            "en attente",
            "Paris",
            "delivery late",
            "réunion de service",
            "cancel",
            "M54",
            "日本",
            "sympathie",
            "Jérémie",
            "visite",
            "Noémie",
            "avril",
            "limite",
            "academie",
            "qualité",
        ] {
            assert!(!names_health(wrong), "{wrong}");
        }
        assert!(are_icd10("I10 E78.0, N183") && are_icd10("J45") && !are_icd10(" ") && !are_icd10("I10 and E780"));
        assert!(is_icd10("E11.9") && is_icd10("J45") && is_icd10("S72.001A") && is_icd10("Z992") && is_icd10("C7A.00"));
        assert!(
            !is_icd10("E1") && !is_icd10("e11") && !is_icd10("E11.") && !is_icd10("EAB1") && !is_icd10("E11.12345") && !is_icd10("AA12")
        );
        assert!(
            is_atc("A10BA02") && is_atc("N02BE01") && !is_atc("E10BA02") && !is_atc("A10B102") && !is_atc("A99BA02") && !is_atc("A10BA2")
        );
        assert!(is_blood_group("A+") && is_blood_group("AB-") && is_blood_group("O +") && !is_blood_group("C+") && !is_blood_group("A"));
        assert!(is_blood_group("O neg") && is_blood_group("A Rh+") && is_blood_group("AB négatif") && is_blood_group("B positive"));
        assert!(
            !is_blood_group("a+") && !is_blood_group("Opos 1") && !is_blood_group("Bon") && !is_blood_group("+") && !is_blood_group("")
        );
        assert!(is_sure_blood_group("O-") && is_sure_blood_group("AB+") && !is_sure_blood_group("A+") && !is_sure_blood_group("O"));
    }
}
