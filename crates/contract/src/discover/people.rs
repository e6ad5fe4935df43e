//! Names of persons: how they are formed, the most usual first and last names of France and of English-speaking countries, and the
//! words of companies and places, which bear names too.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::words::fold;

const FIRST_NAMES: &str = "
aaliyah aaron abdel abdelkader abel abigail achille adam adelaide adele adeline adrian adrien adrienne agathe agnes agnieszka ahmed
aidan aime aimee aisha alain alan alban albert alec alejandro alessandro alex alexander alexandra alexandre alexandria alexia alexis
alfonso alfred ali alice alicia aline alison alix allan allison alma alphonse alvin amadou amanda amandine amaury amber amelie amina
aminata amit amy ana anais anatole andre andrea andrew andy angela angele angelica angelina angelique angie anil anita ann anna anne
annette annick annie anouk anthony antoine antonia antonin antonio ariana ariane aristide arlette armand armel armelle arnaud arnold
arsene arthur ashlee ashley astrid aubin aude audrey auguste augustin augustine aurelie aurelien aurore austin ava avery axel axelle
aymeric bachir bailey bakary baptiste barbara barnabe barry basile bastien beatrice belinda ben benedicte benjamin benny benoit
bernadette bernard bernice bert bertha berthe bertrand bessie beth bethany betty beverly bilal billy bjorn blaise blake blanche
blandine bob bobby bonnie boris boubacar brad bradford bradley brahim brandi brandon brandy brenda brent brett brian brice bridget
brigitte brittany brooke bruce bruno bryan bryant caitlin caleb calvin cameron camille candice capucine carine carl carla carlos
carlton carly carmen carol carole caroline carolyn carrie casey cassandra cassandre catherine cecelia cecil cecile cedric celeste
celestin celestine celia celine chad chantal charlene charles charlie charline charlotte cheikh chelsea chen cheryl chester chloe
chris christelle christian christiane christina christine christophe christopher christy cindy claire clara clarence clarisse claude
claudette claudia claudine clayton clelia clemence clement clementine clifford clifton clinton clotilde clovis clyde cody colette
colin colleen connor constance constantin cora coralie corentin corey corinne cory cosette courtney craig crystal curtis cynthia
cyprien cyrielle cyril cyrille daisy dale damien dan dana daniel danielle danny daphne darla darlene darrell darren darryl daryl dave
david dawn dean deanna debbie deborah debra deepak della delores delphine denis denise dennis derek desiree devin devon dewey diana
diane didier diego dillon dimitri dixie djamel dmitri dolores dominic dominique donald donatien donna donnie dora doreen dorian
doriane doris dorothee dorothy doug douglas duane duncan dustin dwayne dwight dylan ebony ed eddie edgar edith edmond edna edouard
edward edwige edwin eileen elaine elea eleanor elena eleonore eli eliane elias elie elijah elina eline eliott elisa elisabeth elise
elizabeth ella ellen ellie ellis elmer elodie eloise elsa elsie elvira elvire emanuel emeline emile emilie emilienne emilio emily emma
emmanuel emmanuelle emmett enrique enzo eric erica erik erika erin ernest ernestine ernesto erwan esteban estelle esther ethan ethel
etienne eugene eugenie eulalie eunice eva evan eve evelyn evelyne everett evie fabien fabienne fabiola fabrice faith fannie fanny
fanta farid fatiha fatima fatoumata faustine faye felicia felicie felicien felipe felix fernand fernande fernando fiona firmin flavie
flavien flora florence florent florian floriane floyd france frances francesca francine francis francisco franck francois francoise
frank franklin fred freddie frederic frederick frederique freya frida gabin gabriel gabrielle gael gaelle gaetan gaetane garance
gareth garrett gary gaspard gaston gauthier gavin gemma geneva genevieve geoffrey george georges georgette gerald geraldine gerard
germain germaine ghislain ghislaine gilbert gilles gina ginette giovanni gisele giselle giulia gladys glen glenda glenn gloria
gonzague gordon grace graham greg gregoire gregory greta guadalupe guillaume gustave guy gwen gwenael gwenaelle gwendoline gwendolyn
habib hakim hamza hannah hans harold harper harriet harry harvey hassan hattie hayley hazel heather hector heidi helen helene heloise
henri henriette henry herbert herman hermine herve hilaire hilda hippolyte holly homer honore honorine horace hortense howard hubert
hugh hugo hugues huguette ian ibrahim ibrahima ida ignacio ilyes imane imogen ines inez ingrid ira irene iris irma irvin isaac isabel
isabella isabelle isaure isidore isla ismael israel ivan ivy jack jackie jackson jacky jaclyn jacob jacqueline jacquelyn jacques jade
jaime jake james jamie jana jane janet janice jared jasmine jason javier jay jean jeanette jeanne jeannette jeannine jeff jeffery
jeffrey jenna jennifer jenny jeremiah jeremy jermaine jerome jerry jesse jessica jessie jill jim jimmy joachim joan joann joanna
joanne joao jocelyn jocelyne jodi jodie jody joe joel joelle johan johanna john johnathan johnnie johnny jon jonathan jonathon jordan
jorge jose joseph josephine josette josh joshua josiane josie josselin joyce juan juana juanita judith judy jules julia julian juliane
julie julien julienne juliette julio jurgen justin justine kara karen kari karim karine karl katarzyna kate katherine kathleen kathryn
kathy katia katie katrina kay kayla keith kelley kelli kelly ken kendra kenneth kent kenza kerry kevin khadija kieran killian kim
kimberly kirk kirsty klaus krista kristen kristi kristin kristina kristine kristy krzysztof kurt kyle kylian laetitia laila lamar lana
lance lara larry lars latoya laura laure lauren laurence laurene laurent laverne lawrence lea leah leandre leanne lee leila lela
leland lena leo leon leona leonard leonie leontine leopold leroy leslie lester leticia lewis liam lila liliane lillian lillie lily
lina linda lindsay lionel lisa lise lisette liz lloyd logan loic lois lola lonnie lora loren lorena lorenzo loretta lori lorraine
louane louis louisa louise louison luc luca lucas lucette lucia lucie lucien lucienne lucile lucille lucy ludovic luis luke luther
lydia lydie lyle lynn mabel mable madeleine madison mael maelle maelys magali mahe maisie maite malcolm malika malo mamadou mamie
mandy manon manuel marc marceau marcel marcella marcelle marcia marco marcus margaret margarita margaux margie margot marguerite maria
mariah mariam marian marianne marie mariette marilyn marilyne marina marine mario marion marissa marius marjorie mark marlene marsha
marshall martha marthe martial martin martine marvin mary marylene maryse mason mathew mathias mathieu mathilde mathis mathurin matt
matteo matthew matthieu mattie maud maureen maurice max maxence maxime maya megan mehdi melanie melina melissa melodie meredith mia
michael micheal michel michele micheline michelle mickael miguel mike mila mildred millie mindy ming minnie mireille miriam mitchell
mohamed mohammed molly mona monica monique morgan morgane morris moses moussa muriel mustapha myra myriam myrtle nadege nadia nadine
nael naima nancy naomi nassim natalia natalie natasha nathalie nathan nathaniel neil nelly nelson nestor nettie nicholas nick nicky
nicola nicolas nicole nigel nina noa noah noe noel noelie noelle noemie nolan nora norbert norma norman nour oceane octave octavie
odette odile olga oliver olivia olivier ollie olympe omar ophelie oriane orlando oscar otis oumar owen pablo paige pam pamela pascal
pascale pascaline patrice patricia patrick patsy patti patty paul paula paule paulette pauline pedro peggy penelope perrine perry
peter phil philibert philip philippe phillip philomene phoebe phyllis pierre pierrette pierrick piotr poppy priscilla priya prosper
quentin quitterie rachel rachid rafael raj ralph ramon ramona randall randy raoul raphael raphaelle raul ray rayan raymond raymonde
rebecca reginald regine regis remi remy renaud rene renee reynald rhonda rhys richard rick ricky riley rita robert roberta roberto
robin roch rochelle roderick rodney rodolfo rodolphe rodrigue roger roland rolande romain romane romaric romuald ron ronald ronan
ronnie rosa rosalie rose roselyne rosemarie rosemary rosie rosine ross roxane roxanne roy ruby rudolph rudy rufus russell ruth ryan
sabine sabrina sacha sadie sally salma salome salvador sam samantha samia samir samuel samy sandra sandrine sanjay sara sarah saul
scott sean sebastian sebastien sekou selma seraphine serge sergio servane seth severin severine shane shannon shari sharon shaun shawn
sheila shelby sheldon shelly sheri sherri sherry shirley sidney sidonie silvia simon simone sixtine sofia sofiane solange solene
solenn sonia sonya sophia sophie soraya souleymane spencer stacey stacy stanislas stanley stefanie stella stephane stephanie stephen
steve steven stewart stuart sue sunita susan suzanne suzette sven sybille sylvain sylvester sylvestre sylvette sylvia sylviane sylvie
tabitha tamara tami tammie tammy tanguy tanya tara tasha tatiana taylor ted teddy teresa terrance terrence terri terry tessa thais
thea thelma theo theodore theophile theresa therese thibaud thibault thibaut thierry thomas tiffany tim timeo timothe timothee timothy
tina tiphaine titouan toby todd tom tommy toni tony tonya tracey tracie tracy travis trevor trina tristan troy tyler tyrone ugo ulysse
ursula valarie valentin valentine valere valerie valery vanessa velma vera verna vernon veronica veronique vianney vicki vicky
victoire victor victoria victorine vincent viola violet violette virgil virginia virginie vivian viviane vivien vladimir wade walid
wallace walter wanda warren wassim wayne wei wendell wendy wesley wilbur wilfred wilfried will willard william willie wilma winifred
winston woodrow xavier yacine yael yanis yann yannick yasmina yasmine yassine yoann yohan yohann yolanda yolande youssef yves yvette
yvon yvonne zacharie zachary zara zelie zinedine zita zoe";

const LAST_NAMES: &str = "
adam adams allen anderson andre arnaud aubert aubry bailey baker barbier baron barnes barre bell bennett benoit berger bernard bertin
bertrand besson blanc blanchard bonnet boucher bouchet bourgeois boyer breton brooks brown brun brunet butler campbell caron
carpentier carre carter charles charpentier chevalier chevallier clark clement colas colin collet collins cook cooper cousin cox cruz
daniel david davies davis delattre delaunay deschamps diaz dubois dufour dumas dumont dupont dupuis dupuy durand duval edwards etienne
evans fabre faure fernandez fisher fleury fontaine foster fournier francois garcia garnier gauthier gautier gerard germain giraud
girard gomez gonzalez gray green griffin guerin guillaume guillot hall hamilton harris harrison henderson henry herve hernandez hill
howard hubert huet hughes humbert jackson jacob jacquet jean jenkins johnson jones joly julien kelly king klein lacroix lambert
langlois laurent lebrun leblanc leclerc leclercq lecomte lefebvre lefevre legrand lemaire lemoine leroux leroy leveque lewis long
lopez louis lucas mallet marchal marchand marechal marie martin martinez marty masson mathieu menard mercier meunier meyer michel
millet miller mitchell moore moreau morel morgan morin morris moulin muller murphy murray myers nelson nguyen nicolas noel olivier
parker pelletier perez perrin perrot perry peterson petit philippe phillips picard pierre poirier poulain powell prevost price ramirez
reed renard renaud rey reynolds richard richardson rivera riviere robert roberts robin robinson roche rodriguez roger rogers rolland
ross rousseau roussel roux roy royer russell sanchez sanders schmitt scott simmons simon simpson smith stewart sullivan taylor thomas
thompson torres turner vasseur vidal vincent walker wallace ward watson weber west white williams wilson wood wright young lopes
ferreira pereira da-silva dos-santos traore diallo cohen levy benali haddad cisse keita diop khan patel singh ahmed ali hussain begum
shah oconnor obrien oneill macdonald mcdonald";

/// Words that stand in names of companies, places and things.
const NOT_PEOPLE: &str = "
inc ltd llc s.a s.a.s s.a.r.l llp plc corp corporation company co gmbh ag sa sas sasu sarl eurl snc sci scop cie ets group groupe
holding holdings fils freres associes associates partners partenaires sons bros industries industrie systems systemes solutions
services service technologies consulting conseil conseils international global bank banque assurances assurance insurance foundation
fondation association club societe airlines airline airways air aviation airport aeroport field municipal regional county city ville
mairie commune university universite college school ecole lycee institute institut hospital hopital clinique clinic hotel restaurant
cafe bar pub garage boulangerie pharmacie pharmacy store shop market magasin boutique supermarche station gare road avenue rue
boulevard place square lane park parc lake lac river mountain island ile bay beach plage port bridge pont church eglise saint sainte
st ste san santa fort mont mount center centre museum musee theatre theater cinema stadium stade team equipe united fc the of and et
department departement ministere agency agence office bureau support admin system equipment kit set pack box cm mm kg edition series
model version pro plus mini ultra chair table lamp shirt shoes bag wine vin cheese pain north south east nord sud est ouest upper
lower heights valley village town";

/// Words before names.
const TITLES: [&str; 17] = [
    "m",
    "mr",
    "mme",
    "mlle",
    "mrs",
    "ms",
    "miss",
    "dr",
    "pr",
    "prof",
    "me",
    "monsieur",
    "madame",
    "mademoiselle",
    "sir",
    "docteur",
    "maitre",
];
const PARTICLES: [&str; 17] = ["de", "du", "des", "le", "la", "van", "von", "der", "den", "el", "al", "da", "di", "del", "ben", "bin", "d"];

static FIRST: LazyLock<HashSet<&'static str>> = LazyLock::new(|| FIRST_NAMES.split_whitespace().collect());
static LAST: LazyLock<HashSet<&'static str>> = LazyLock::new(|| LAST_NAMES.split_whitespace().collect());
static OTHERS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| NOT_PEOPLE.split_whitespace().collect());

/// How a text looks like a person's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Person {
    /// Several words, the first or the last of them a usual first name, or an initial and a usual last name.
    Whole,
    /// A usual first name, or two.
    First,
    /// A usual last name.
    Last,
    /// One to five words of letters that no list holds.
    Formed,
    /// It holds a company's or a place's word.
    Other,
}

/// Recognises a name; none when it is not formed as one.
pub fn person(value: &str) -> Option<Person> {
    if !(2..=80).contains(&value.len()) || value.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let folded = fold(value);
    let letters = |token: &str| token.chars().all(|letter| letter.is_alphabetic() || letter == '-' || letter == '\'' || letter == '.');
    let mut tokens: Vec<&str> = folded.split([' ', ',', '\t']).filter(|token| !token.is_empty()).collect();
    if tokens.iter().any(|token| OTHERS.contains(token.trim_end_matches('.')) || *token == "&") {
        return Some(Person::Other);
    }
    if !tokens.iter().all(|token| letters(token) && token.chars().any(char::is_alphabetic)) {
        return None;
    }
    let titled = tokens.len() > 1 && tokens.first().is_some_and(|token| TITLES.contains(&token.trim_end_matches('.')));
    if titled {
        tokens.remove(0);
    }
    tokens.retain(|token| !PARTICLES.contains(token));
    let first = |token: &&str| token.split('-').all(|part| FIRST.contains(part));
    let initial = |token: &&str| token.trim_end_matches('.').chars().count() == 1;
    match tokens.as_slice() {
        [] => None,
        [_] if titled => Some(Person::Whole),
        [only] if first(only) => Some(Person::First),
        [only] if LAST.contains(only.replace('\'', "").as_str()) => Some(Person::Last),
        [_] => Some(Person::Formed),
        [one, two] if first(one) && first(two) && !LAST.contains(one) && !LAST.contains(two) => Some(Person::First),
        [one, .., last] if tokens.len() <= 5 => {
            let by_initial = (initial(one) && LAST.contains(last)) || (initial(last) && LAST.contains(one));
            let whole = titled || by_initial || first(one) || first(last);
            Some(if whole { Person::Whole } else { Person::Formed })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_persons_are_told_from_those_of_companies_and_places() {
        use Person::{First, Formed, Last, Other, Whole};
        for (text, expected) in [
            ("Jean Dupont", Some(Whole)),
            ("DUPONT Jean", Some(Whole)),
            ("Dupont, Marie-Claire", Some(Whole)),
            ("Mme Zribi", Some(Whole)),
            ("Dr. A. Smith", Some(Whole)),
            ("Élise de La Tour", Some(Whole)),
            ("Marie", Some(First)),
            ("Jean-Pierre", Some(First)),
            ("MARTIN", Some(First)),
            ("Dubois", Some(Last)),
            ("O'Connor", Some(Last)),
            ("Zribi", Some(Formed)),
            ("Lansdowne Airport", Some(Other)),
            ("United Air Lines Inc.", Some(Other)),
            ("Martin & Fils", Some(Other)),
            ("12 rue X", None),
            ("A320", None),
            ("", None),
            ("jean@exemple.fr", None),
        ] {
            assert_eq!(person(text), expected, "{text}");
        }
    }
}
