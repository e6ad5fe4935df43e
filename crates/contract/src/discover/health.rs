//! Terms of health, French and English, and codes of diagnoses, medicines and blood groups.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::words::fold;

/// Single words that speak of someone's health wherever they stand.
const TERMS: &str = "
diabete diabetes diabetique diabetic asthme asthma asthmatique hypertension hypotension cancer carcinome carcinoma tumeur tumor tumour
leucemie leukemia leukaemia lymphome lymphoma melanome melanoma depression depressif anxiete anxiety bipolaire bipolar schizophrenie
schizophrenia epilepsie epilepsy migraine alzheimer parkinson sclerose sclerosis avc stroke infarctus angine angina arythmie
arrhythmia embolie embolism thrombose thrombosis phlebite anemie anemia anaemia hemophilie hemophilia hepatite hepatitis cirrhose
cirrhosis pancreatite pancreatitis gastrite gastritis ulcere ulcer colite colitis appendicite appendicitis hernie hernia lithiase
nephrite nephritis pneumonie pneumonia bronchite bronchitis bpco copd tuberculose tuberculosis grippe influenza covid coronavirus vih
hiv sida aids syphilis chlamydia gonorrhee gonorrhea herpes zona shingles varicelle rougeole measles rubeole rubella oreillons mumps
coqueluche tetanos tetanus malaria paludisme dengue eczema psoriasis urticaire urticaria dermatite dermatitis acne arthrose arthritis
arthrite polyarthrite osteoporose osteoporosis osteoarthritis lombalgie sciatique sciatica scoliose scoliosis fracture entorse sprain
luxation dislocation fibromyalgie fibromyalgia goutte gout lupus hypothyroidie hypothyroidism hyperthyroidie hyperthyroidism obesite
obesity anorexie anorexia boulimie bulimia autisme autism tdah adhd trisomie insomnie insomnia apnee apnea glaucome glaucoma cataracte
cataract surdite deafness otite otitis sinusite sinusitis rhinite rhinitis pharyngite tonsillitis amygdalite endometriose
endometriosis menopause grossesse pregnancy pregnant enceinte accouchement caesarean cesarienne eclampsia preeclampsie infertilite
infertility septicemie sepsis anaphylaxie anaphylaxis allergie allergy allergique allergic oedeme edema fievre fever nausee nausea
vertiges vertigo toux cough dyspnee dyspnea chimiotherapie chemotherapy radiotherapie radiotherapy dialyse dialysis chirurgie surgery
hospitalisation appendicectomie appendectomy paracetamol doliprane efferalgan dafalgan acetaminophen tylenol ibuprofene ibuprofen
advil nurofen aspirine aspirin kardegic amoxicilline amoxicillin augmentin azithromycine azithromycin penicilline penicillin
doxycycline ciprofloxacin metformine metformin insuline insulin glucophage levothyrox levothyroxine atorvastatine atorvastatin
simvastatin rosuvastatine rosuvastatin tahor amlodipine ramipril lisinopril losartan valsartan bisoprolol metoprolol furosemide
lasilix hydrochlorothiazide warfarine warfarin clopidogrel plavix apixaban eliquis rivaroxaban omeprazole omeprazol esomeprazole
pantoprazole ventoline salbutamol albuterol seretide symbicort prednisone prednisolone cortisone sertraline zoloft fluoxetine prozac
paroxetine deroxat escitalopram venlafaxine diazepam valium alprazolam xanax lorazepam zolpidem stilnox lexomil bromazepam gabapentine
gabapentin pregabaline pregabalin lyrica tramadol codeine morphine oxycodone fentanyl methadone subutex ritaline methylphenidate
cetirizine loratadine spasfon smecta gaviscon lamotrigine keppra levetiracetam tamoxifen humira methotrexate lithium olanzapine
risperidone quetiapine";

/// The same, of two words.
const PAIRS: [&str; 26] = [
    "insuffisance renale",
    "insuffisance cardiaque",
    "heart failure",
    "renal failure",
    "kidney disease",
    "heart disease",
    "heart attack",
    "high blood",
    "back pain",
    "mal dos",
    "douleur thoracique",
    "chest pain",
    "fibrillation auriculaire",
    "atrial fibrillation",
    "burn out",
    "stress post",
    "maladie crohn",
    "crohn disease",
    "syndrome depressif",
    "tennis elbow",
    "arret cardiaque",
    "cardiac arrest",
    "rheumatoid arthritis",
    "infection urinaire",
    "urinary tract",
    "canal carpien",
];

static WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| TERMS.split_whitespace().collect());
static TWO_WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| PAIRS.into_iter().collect());

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
        .filter(|token| !token.is_empty() && !["de", "d", "du", "la", "le", "l"].contains(token))
    {
        let single = token.strip_suffix('s').unwrap_or(token);
        if WORDS.contains(token)
            || WORDS.contains(single)
            || (!before.is_empty() && TWO_WORDS.contains(format!("{before} {token}").as_str()))
        {
            return true;
        }
        before = token;
    }
    false
}

/// A code of ICD-10 (CIM-10): a letter, two digits (the second may be a letter), and up to four characters after a point or none.
pub fn is_icd10(value: &str) -> bool {
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

/// A blood group with its rhesus factor.
pub fn is_blood_group(value: &str) -> bool {
    let Some(group) = value.trim().strip_suffix(['+', '-', '−']) else { return false };
    ["A", "B", "AB", "O"].contains(&group.trim_end())
}

/// Whether a blood group is none of the marks of schools and agencies, which know A+ and B- too.
pub fn is_sure_blood_group(value: &str) -> bool {
    is_blood_group(value) && (value.trim().starts_with('O') || value.trim().starts_with("AB"))
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
        ] {
            assert!(names_health(right), "{right}");
        }
        for wrong in ["", "en attente", "Paris", "delivery late", "réunion de service", "cancel", "M54", "日本"] {
            assert!(!names_health(wrong), "{wrong}");
        }
        assert!(is_icd10("E11.9") && is_icd10("J45") && is_icd10("S72.001A") && is_icd10("Z992") && is_icd10("C7A.00"));
        assert!(
            !is_icd10("E1") && !is_icd10("e11") && !is_icd10("E11.") && !is_icd10("EAB1") && !is_icd10("E11.12345") && !is_icd10("AA12")
        );
        assert!(
            is_atc("A10BA02") && is_atc("N02BE01") && !is_atc("E10BA02") && !is_atc("A10B102") && !is_atc("A99BA02") && !is_atc("A10BA2")
        );
        assert!(is_blood_group("A+") && is_blood_group("AB-") && is_blood_group("O +") && !is_blood_group("C+") && !is_blood_group("A"));
        assert!(is_sure_blood_group("O-") && is_sure_blood_group("AB+") && !is_sure_blood_group("A+") && !is_sure_blood_group("O"));
    }
}
