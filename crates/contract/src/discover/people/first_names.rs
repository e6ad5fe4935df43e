//! First names in usual use in France, English-speaking countries, the rest of Europe, the Maghreb and West Africa, folded.

/// With spaces between. Names that are ordinary words or places as well, such as months, are left out.
pub const FIRST_NAMES: &str = "
aaliyah aaron abbie abby abdallah abdel abdelaziz abdelhak abdelkader abdelkrim abdellah abdelmalek abderrahim abderrahmane abdeslam
abdou abdoul abdoulaye abdul abdullah abdulrahman abel abigail abram achille adam adama adan addison adelaide adele adeline adem adil
adina adolf adolfo adolphe adrian adriana adriano adrien adrienne agathe agnes agnese agnieszka agustin ahmed aicha aida aidan aiden
ailsa aime aimee aina ainhoa aisha aisling aissa aissata aitor ajay akim akira akshay alain alan alasdair alastair alban alberic albert
alberta alberte albertine alberto albin aldo alec alejandra alejandro aleksander aleksandra alena alessandra alessandro alessia alessio
alex alexander alexandra alexandre alexandria alexandros alexandru alexane alexei alexej alexia alexina alexine alexis alfonso alfred
ali alice alicia aline aliou alioune alisha alison alissa alisson alistair alix aliya aliyah allan allegra allen allison allyson alma
aloys aloysius alphonse alphonsine alvaro alvin alwin alyson alyssa alyssia amadou amal amalia amalie amanda amandine amar amaury amber
ambra ambre ambroise amedee amelia amelie ameline amelle amina aminata amine amir amira amit ammar amparo amy ana anabel anabelle anael
anaelle anais anastasia anastasie anatole anatolia anders andre andrea andreas andree andrei andrej andres andrew andrzej andy ane aneta
angel angela angele angelica angelika angelina angelique angelo angie angus anh anibal anika anil aniss anissa anita anja anka anke ann
anna annabel annabelle anne anneke annelies anneliese annemarie annett annette annick annie annika anouar anouchka anouk anselme anshu
ansley anthony antje antoine antoinette anton antonella antonia antonin antonina antonino antonio antti anya apolline arabella araceli
ariana ariane arianna ariel arielle arif aristide arjun arlene arlette arlo armand armando armel armelle armin arnaldo arnaud arnault
arne arno arnold aron arsene arslan artem arthur artur arturo arun asha ashlee ashley ashton asma assane assia assma astou astrid athena
atif aubin aubree aubrey aude audrey audric augusta auguste augustin augustina augustine aurel aurelia aurelie aurelien aurelio aurora
aurore austin ava avery awa axel axelle aya ayaan ayden ayesha aylin ayman aymen aymeric ayoub azeddine aziz aziza azra bachir badr
bahija bailey bakary balthazar baptiste barbara barbra barnabe barnaby barney barrett barry bartek bartholomew bartlomiej bartosz basile
basma bassem bastien baudouin bea beatrice beatriz becky bekir belen belinda ben benedetta benedict benedicte benedikt benita benito
benjamin benjamine bennie benny benoit bente beppe berangere berengere berenice bernadette bernard bernardine bernardo bernd bernhard
bernice bert berta bertha berthe berthold bertie bertille bertrand bessie beth bethany betsy bettina betty beverly bianca bienvenue
bijan bilal bilel bill billie billy birgit birgitta bjorn blaise blake blanca blanche blandine bob bobbie bobby bodo bogdan boguslaw
bonita bonnie boris bosco boubacar bouchra bozena brad bradford bradley brady brahim brahima branden brandi brandon brandt brandy
branislav brayden breanna brenda brendan brenden brenna brennan brent brett brian brianna brice bridget bridgette brigitta brigitte
brittany brittney brodie bronwyn brooke bruce bruna brunella brunhilde bruno bryan bryant bryce bryony bryson burak burt byron caetano
cai caitlin caleb calvin cameron camila camilla camille camillo camilo candace candice candida caoimhe capucine caren carina carine carl
carla carlene carlito carlo carlos carlotta carlton carly carme carmela carmelo carmen carmine carol carole carolina caroline carolyn
carolyne carrie carsten casey casimir caspar casper cassandra cassandre cassidy cassie catalina catarina caterina cathal catherina
catherine cathie cathleen cathy catie catriona cecelia cecil cecile cecilia cedric cedrick celena celeste celestin celestina celestine
celestino celia celina celine celso cemal cengiz cesar cesare chad chadia chafik chaima chakib chantal charlene charles charlette
charley charlie charline charlotte charly charlyne chaya cheikh chelsea chen cherie cherif cherifa cherry cheryl chester chiara chiheb
chloe chris christa christal christel christelle christen christian christiana christiane christiano christie christin christina
christine christof christoph christophe christopher christos christy chrystel chrystele chrystelle cian ciara ciaran cilia cindie cindy
cinzia ciro claas claes claire clara clarence clarisse claude claudette claudia claudie claudine claudio claudius claus clayton clea
clelia clelie clemence clemens clement clemente clementina clementine cleo cleophas clifford clifton clint clinton clive clodagh cloe
clothilde clotilde clovis clyde cody colbert coleen coleman colette colin colleen colm concetta conchita connor conor conrad constance
constantin consuelo cora coralie coraline coralline cordelia corentin corey corina corinna corinne cornelia cornelis cornelius corrado
corrine cory cosette cosima cosimo cosme courtney craig cristian cristiana cristiano cristina cristobal crystal curt curtis cynthia
cyprien cyprienne cyrielle cyril cyrille cyrus dag dagmar dahlia daiana daisuke daisy dale dalia dalila dalton damian damiano damien
damion damon dan dana dani dania daniel daniela daniele daniella danielle danila danilo danny dante dany daouda daphne daphnee dara
dario darius dariusz darko darla darlene darnell darrell darren darrin darryl darwin daryl daryna dave david davide davy dawn dayana
dean deana deandre deanna deanne debbie debby deborah deborha debra declan deepak deirdre dejan delfina delia della delores delphin
delphine demba demetrius demi dena denis denisa denise deniz dennis denny deon derek derrick desiree desmond detlef devin devon devonte
dewey dexter dhruv diamantino diana diane dianne diarra didier diego dieter dietmar dietrich dilan dillon dimitra dimitri dimitris dina
dinesh dino diogo dirk dixie djamal djamel djamila djeneba djibril dmitri dolly dolores domenica domenico domingo dominic dominik
dominika dominique donal donald donatella donatien donatienne donato donia donna donnell donnie donovan dora doreen dorian doriane
dorina doris dorota dorothee dorothy dorte dorthe dottie doug douglas dounia dragan driss duane duarte duncan dunstan dustin duygu
dwayne dwight dylan dylane eamon eamonn ebony ebru eckhard ed edda eddie eddy edgar edgard edie edison edita edith edme edmee edmond
edmondo edna edoardo edouard eduard eduarda eduardo edurne edward edwige edwin edwina eero efrain efren egon ehsan eila eileen einar
eirik eivind ekaterina ekrem eladio elaine elea eleanor eleanora eleanore eleazar elena eleni eleonore elfriede elga eli elia elian
eliana eliane elias elie elijah elin elina eline elinor elio eliot eliott elis elisa elisabet elisabeta elisabeth elisabetha elisabetta
elise eliska elissa eliza elizabeth elke ella ellen ellie elliot elliott ellis elma elmar elmer elodie eloi eloise elon elouan eloy els
elsa elsbeth elsie elton elva elvin elvira elvire elvis elyas elyes elyna elyse emanuel emanuela emanuele emelie emeline emelyne emerson
emese emi emil emile emilia emilian emiliano emilie emilien emilienne emilio emily emin emine emir emma emmanuel emmanuelle emmett emmy
emna emre ena encarnacion endre engelbert enguerrand enid ennio enrica enrico enrique enza enzo eoin ephraim erasmus eren ergun erhard
eric erica erich erick ericka erik erika erin erling ermine erna ernest ernesta ernestine ernesto ernst errol ersin ervin erwan erwann
erwin esma esmee esmeralda esperance esperanza esra esteban estefania estela estella estelle esther estrella ethan ethel etienne etta
ettore euan eudes eugene eugenia eugenie eugenio eulalie eunice eusebe eusebio eva evaelle evan evaristo eve evelien evelina evelyn
evelyne everett evert evgenia evgeny evie ewa ewan ewen eyal ezekiel ezequiel ezio ezra fabia fabian fabiano fabien fabienne fabio
fabiola fabrice fabrizio fadi fadila fadma fadoua fahd fahim faisal faith faiza faizal fannie fanny fanta faouzi farah fares farid
farida farouk fathi fatih fatiha fatim fatima fatma fatme fatna fatou fatoumata fausta faustine fausto faye federica federico fedor
felicia feliciano felicie felicien felicienne felicita felicitas felicite felicity feliks felipe felix felton femke ferdinand ferenc
fergus ferhat feriel fernand fernande fernando ferran ferruccio fethi filip filipa filipe filippa filippo filomena finlay finley finn
finnegan fiona fionn fiorella fiorenza fioretta firas firmin flavie flavien fletcher flo flora flore florence florent florentin
florentine florestan floretta florian floriane florinda floris floyd flynn forrest fouad foucault foued fouzia franca france francelin
frances francesca francesco franchesca franciane francie francine francis francisca francisco franciszek franck francky franco francois
francoise frank franklin frans franz frauke fred freda freddie freddy frederic frederick frederico frederik frederique fredric fredrik
fredy freek freya frida frieda friederike friedhelm friedrich fritz fulgence fulvia fulvio furkan gabby gabin gabor gabriel gabriela
gabriele gabriella gabrielle gabrielo gael gaelle gaetan gaetane gaetano gaia garance gareth garrett gary gaspar gaspard gasparine
gaston gaultier gauthier gavin gavino gaye gayle gema gemma gena genaro geneva genevieve gennaro geoff geoffrey geoffroi geoffroy georg
george georges georgette georgia georgiana georgie georgina georgio georgios gerald geraldine gerard gerardo gerd gerda gerhard gerlinde
germain germaine germana germano gernot gerrit gerry gertrud gertrude gerwin ghassan ghislain ghislaine ghita giacomo giada giampaolo
gian giancarlo gianfranco gianluca gianna gianni gideon gidon gilbert giles gilles gillian gina ginette ginevra gino gioacchino gioia
giorgia giorgio giovanna giovanni gisela gisele gisella giselle gislaine gitta giuditta giulia giuliana giuliano giulio giuseppe
giuseppina giusy gladys glen glenda glenn glennis glenys gloria glynn goncalo gontran gonzague gonzalo goran gordana gordon gottfried
grace gracie graciela graeme graham grainne grant grazia graziella greg greger gregg gregoire gregor gregorio gregory greta gretchen
grete grethe griet griselda grzegorz guadalupe gudrun guenter guenther guglielmo guido guilhem guilherme guillaume guillemette guillermo
guiseppe gulsen gunilla gunnar gunter gunther gurpreet gus gusta gustaf gustav gustave gustavo guy guylaine guylene gwen gwenael
gwenaelle gwendal gwendolen gwendoline gwendolyn gwenn gwenola gwilym gyorgy habib hadja hadrien hafida hafsa haidar haim hajar hakan
hakim hakima hala haley halim halima halina hamadi hamed hamid hamida hamidou hamish hamza hana hanan hanane hania hanna hannah hanne
hannelore hannes hanni hanno hans harald hari harold harper harriet harriette harrold harry harun harvey hasan hashim hasna hassan
hassane hassiba hassna hatem hatice hattie hava hayat haydar hayden hayley haythem hazel heath heather heba hector hedi hedvig hedwig
heide heidi heidrun heike heiko heinrich heinz helder helen helena helene helga helge heli helia helios helmi helmut helmuth heloise
hendrik henning henny henri henrietta henriette henrik henrike henrique henry henryk herbert heribert herman hermann hermano hermine
herminia hermione hernan herve hester hicham hichem hilaire hilal hilaria hilario hilary hilda hilde hildegard hillary hippolyte hiroshi
hocine holger hollie hollis holly homer homero honore honoree honorine horace horatio horst hortense hortensia houda houria houssam
houssem howard hubert hubertus huda hugh hugo hugolin hugues huguette humberto humphrey husam huseyin husna hussein hyacinthe iain ian
ianis iason ibrahim ibrahima ibtissam ibtissem ida idir idris idriss idrissa ieva ignace ignacio ignacy ignazio igor ihab ihsan ikram
ilan ilana ilaria ildiko ilham ilhan ilia iliana ilias ilies illan ilona ilse ilya ilyes imad iman imane imelda imene immanuel imogen
imran imre inaki inaya indira ineke ines inez inga inge ingeborg inger ingmar ingo ingolf ingrid inigo inmaculada ioana ioannis ionut
ipek ira iratxe irena irene irenee irina iris irma irmgard irvin irving irwin isa isaac isabeau isabel isabela isabella isabelle isadora
isaiah isaias isaure iseult ishaan ishaq isidora isidore isidoro isidro isis isla ismael ismail ismet isolde israel issa issam issiaka
istvan itziar ivan ivana ivar iven iver ivo ivona ivy iwan iwona izaak izabela izzy jaafar jaap jacek jacinta jacinthe jacinto jack
jackeline jacki jackie jackson jacky jaclyn jacob jacoba jacobo jacopo jacquelin jacqueline jacquelyn jacques jacqui jada jade jaden
jael jago jaiden jaime jake jakob jakub jalal jalil jamal jamel james jamie jamila jammie jan jana jane janelle janet janette janice
janina janine janis janna jannick jannik jano janos janusz jaques jared jarod jaroslav jaroslaw jarrod jarvis jasmin jasmina jasmine
jason jasper jaume javier javiera jay jayden jayne jayson jazmin jean jeana jeane jeanette jeanie jeanine jeanne jeannette jeannie
jeannine jeannot jed jeff jeffery jeffrey jelena jenifer jenn jenna jenni jennie jennifer jenny jens jerald jered jeremiah jeremias
jeremie jeremy jermaine jeroen jerome jeronimo jerry jerzy jesper jess jesse jessica jessie jesus jette jhon jihane jill jillian jim
jimmy jiri joachim joakim joan joana joanie joann joanna joanne joannes joao joaquim joaquin jocelyn jocelyne jochen jodi jodie jody joe
joel joelle joelyne joerg joey johan johana johann johanna johanne johannes john johnathan johnathon johnnie johnny johny joke jolan
jolanda jolanta jole jolene jon jonas jonathan jonathon joni jonna joost jordan jordana jordane jordi jordy jordyn jorg jorge jorgen
joris jorn jory joscelin jose josef josefa josefina josefine joseline joselyne josep joseph josephe josephina josephine josephus josette
josh joshua josiane josie josselin jost joud joule jovan joyce juan juana juanita jude judicael judie judith judy juergen juha jules
julia julian juliana juliane julianne juliano julie julien julienne julietta juliette julio julita julius juliusz junior jurg jurgen
justin justina justine justino justo justyna jutta kacper kader kadiatou kadija kaia kaila kaitlin kaitlyn kaitlynn kaj kalil kalvin
kamal kamel kamil kamila kamilla kamran kara karam kareen karel karen kari karim karima karin karina karine karl karla karlheinz karlo
karol karola karolina karoline karsten karyn kasia kasim kasper kassandra katarina katarzyna kate katell katelyn kateryna katharina
katharine kathe katherine kathi kathleen kathrin kathryn kathryne kathy katia katie katja katrien katrin katrina katrine katy kay kaya
kayden kayla kaylee kazimierz keegan keelan keira keisha keita keith kelley kelli kellie kelly kemal ken kenan kendall kendra kenji
kenneth kenny kent kenza kerri kerry kerstin keshia kevan keven kevin kevyn khadidja khadija khadra khaled khalid khalil khaoula kheira
kian kiara kiera kieran kieron kilian killian kim kimberlee kimberley kimberly kinga kingsley kira kiran kirill kirk kirsten kirstie
kirstin kirsty kjell klara klaudia klaus klemens koen koffi kofi kokou konrad konstantin konstantinos korbinian kornelia kostas kouadio
kouame krishna krissy krista kristel kristell kristen kristi kristian kristiane kristin kristina kristine kristof kristoffer kristy
krystal krystian krystle krystyna krzysztof kurt kurtis kwame kyla kyle kylian kylie kyra kyrill lacey ladislas ladislav laetitia
laetizia lahcen laia laila laina laith lakhdar lalla lamar lambert lamia lamine lana lanah lance lancelot lanny lara larry lars lassana
lasse latifa latisha latoya laura laure laurel lauren laurence laurene laurent lauretta laurette lauriane laurianne lauric laurie
laurine lauryn laurynn laverne lavinia lawrence layla lazare lea leah leana leandra leandre leandro leane leann leanna leanne lech leda
lee leeann leeroy leif leigh leighton leila leilani leith lela leland lemuel len lena lenaic lenaig lenka lenna lennart lennie lenny
lenora lenore leo leocadia leocadie leon leona leonard leonardo leonce leonhard leonid leonidas leonie leonor leonora leontine leontyne
leopold leopoldine leopoldo leos leroy lesia lesley leslie lester leszek leticia letitia letizia letty levi levin lewis lexi lexie leyla
leyre lia liam liana lianne libby lidia lidwine lidy lien liesbeth lieselotte liesl lieve ligia lila lilas lilia lilian liliana liliane
lilith lilli lillian lillie lilly lilou lilwenn lily lina linda lindsay lindsey linnea linus lionel lionnel lisa lisabeth lisandro
lisanne lisbet lisbeth lise liselotte lisette lison lissa liv livia livio liwen liya liz lizzie llewellyn lloyd loane loann loes logan
lohan loic loick lois lola lolita lona lonnie lonny lora loraine lorane lore loreen loreena lorelei loren lorena lorene lorenz lorenza
lorenzo loretta lori lorie lorin lorine loris lorna lorraine lothar lotta lotte lottie louane louanne louay loubna louca louella loui
louis louisa louise louisette louisiane louison louiza louna lourdes lourenco lovisa luana lubna lubomir luc luca lucas lucette lucia
luciana luciano lucie lucien lucienne lucile lucilla lucille lucinda lucine lucio lucrece lucrecia lucrezia lucy ludger ludivine ludmila
ludmilla ludo ludovic ludovica ludovico ludwig luigi luigia luis luisa luise luka lukas lukasz luke luna lupe luther lutz lyam lyana
lydia lydie lyes lyle lylia lyliane lylou lyna lynda lyndon lyndsay lyndsey lynette lynn lynne lynsey maarten mabel mable mabrouk maceo
maciej mackenzie maddalena maddison madelaine madeleine madeline madelyn madiha madison mady mae mael maelia maelie maelig maeline
maelle maelyne maelys maeva maeve mafalda magali magaly magda magdaleine magdalena maggie magloire magnus maha mahamadou mahaut mahdi
mahe mahefa mahmoud mahmud maia maialen maija maike maila maimouna mairead maisie maissa maite maja majda majid makayla makram maksim
malaika malak malcolm malcom malek malgorzata malia malick malik malika malin mallory malo malorie malte malvina malwina mamadou mamie
mandie mandy manel manfred manfredi manish manoel manoela manoj manola manolis manolo manon mansour manuel manuela marc marceau marcel
marcela marcelin marceline marcella marcelle marcellin marcelline marcello marcelo marci marcia marcie marcin marco marcus marcy marek
maren margaret margareta margarete margarida margarita margaux margery margie margo margot margret margrit marguerita marguerite mari
maria mariah mariam mariama mariame marian mariana mariane mariangela marianne mariano maribel maricarmen marie mariel mariela marielle
mariette marija marijke marijn marika marilena marilou marilyn marilyne marilynn marina marine marinella marinette marinus mario mariola
marion mariona marisa marisol marissa marit marita marius mariusz marivic marja marjan marjolaine marjolein marjorie marjory mark markel
marko markus marla marlee marlena marlene marley marlies marlis marlo marlon marlyse marnie maroua marouane marquita marsha marshall
marta marte martha marthe martial martijn martin martina martine martinus martyn martyna marvin marwa marwan mary marya maryam maryann
maryanne marylene marylin maryline marylise marylou maryse maryvonne marzena marzia mason massimiliano massimo massinissa matej mateja
mateo mateus mateusz mathea matheo matheus mathew mathias mathieu mathieux mathilda mathilde mathis mathurin mathurine mathys matias
matilda matilde mats matt matteo matthaus matthew matthias matthieu matthijs matthis matti mattia mattie mattis maud maude maureen
maurice mauricette mauricio mauritius maurits maurizio mauro max maxandre maxence maxime maximilian maximiliano maximilien maximin
maximo maxine maya mayeul maylee maylis mayra maysa mayssa mazen mckenzie mechthild medard medhi medine mees megan megane meggie mehdi
mehmet meike meinhard meissa melania melanie melany melba melina melinda melisande melissa melissandre melle mellissa melodie melody
melvin melvyn melyna merce mercedes meredith merete meriadec meriem merlin merrill mert merve meryem meryl messaoud meta mette mia
micaela micha michael michaela michail michal michalina micheal micheau michel michela michelangelo michele micheline michell michelle
michiel mickael mickey mieke miguel mika mikael mikaela mikail mike mikel mikhail mikkel miko mikolaj mila milagros milana mildred
milena milica milla millicent millie milo milton mimi mimosa mimoun mindy ming minnie mirabelle miranda mireia mireille mirella miriam
mirjam mirko miroslav miroslava miroslaw misha missy mitch mitchel mitchell moana mochine modesto moez mohamad mohamadou mohamed
mohammad mohammed mohand mohsen mohsine moira moise moises mokhtar molly momo mona moncef mone moni monia monica monika monique
monserrat montserrat morad moran mordecai morena moreno morgan morgana morgane morgann moritz morris morten mortimer moses moshe mouad
mouhamed mouloud mouna mounia mounir mourad moussa moustapha muhammad muhammed murat muriel murielle murray mustafa mustapha myla
myleene mylene myles myra myriam myrna myron myrtille myrtle nabil nabila nacer nacera nachida nada nadege nadezhda nadia nadine nadir
nadira nadja nael nagib nahia nahima nahla nahuel naila naim naima najat najib najla najoua nan nana nanci nancy nando nanette nanna
naomi napoleon narcisa narcisse narjes naser nasim nasima nasr nasreddine nasser nassera nassim nassira nastassia natacha natale natalia
natalie natalina natan natanael natascha natasha nath nathalia nathalie nathan nathanael nathaniel natividad navid nawal nawel nayla
nazaire nazim nazir nedjma neela neha neil nele nelia nelida nella nellie nelly nelson nerea nereida neri nermin neslihan nesrine nessa
nessim nestor nettie neus neven neville nevin neyla ngoc ngozi nia niall niamh nicanor niccolo nicholas nicholaus nichole nick nickolas
nicky nico nicodeme nicol nicola nicolas nicole nicoletta nicolette nicolo nidal niels nieves nigel nihad nikhil nikita nikki niklas
nikola nikolai nikolaos nikolas nikolaus nikos nila nilda nils nina nino ninon nisrine nita niyazi noa noah noam noami noan noe noel
noelia noelie noelle noemi noemie noha nolan nolween nolwen nolwenn nonna nora norah norbert norberto noreen norma norman nour noura
noureddine nouria noushin nuno nuray nurettin nuria nyah nyla obed oberto oceane octave octavia octavie octavien octavio octavius odalys
oddo odell odessa odetta odette odile odilon odin ofelia oguz okan olaf olav oleg olegario oleksandr olena olga olimpia oliva oliver
olivia olivier oliviero ollie olof olympe olympia olympio omaima omar omayra omer ondine ondrej onesime oona ophelie oralie orane orelie
oren oriana oriane orianne oriol orion orla orlando orlane orlena orphee orsola ortensia osama osborne oscar oskar osman osmane ossama
osvaldo oswald oswaldo otis otmar ottavia ottavio ottilie otto ouafa ouarda ouassim ouiam ouissem oumaima oumar oumayma oumou ousmane
owain owen oxana ozan ozgur ozlem pablito pablo paco paddy padraig paige paloma pam pamela pamella panagiotis pankaj paola paolina paolo
paquita paquito parisa pascal pascale pascalina pascaline pascual pasquale pat patrice patricia patricija patricio patrick patrik
patrizia patrizio patryk patsy patti patty patxi pau paul paula paule paulette paulin paulina pauline paulino paulo paulus pavel pavla
pawel paz pedrito pedro peer peggy peio pelagie pelle penelope pepe pepita per pernille perpetua perrette perrine perry pervin petar
pete peter petra petronella petronille petros petru petter petula peyton phil philibert philip philipp philippa philippe philippine
philippos phillip philo philomena philomene phoebe phuong phyllis pia piedad pier pierangelo piere pierluigi piero pierre pierrette
pierrick pierrine pieter pietro pilar piotr pippa pola polina polly pooja poppy prakash pranav praxede prisca priscilla priscille priya
priyanka prosper prunelle qasim quang queenie quentin quinn quinten quintin quirin quirino quitterie rabah rabia racha rachael rachel
rachele rachelle rachid radia radmila radoslav radoslaw radouane radu raelynn raf rafa rafael rafaela rafaele rafaelle raffaela raffaele
raffaella rafik ragnar ragnhild rahim rahma rahul raimond raimonda raimund raimundo rainer raissa raj raja rajesh rajiv rakel rakesh
ralf ralph rama ramata ramazan ramiro ramla ramon ramona ramond ramos ramy rana randal randall randi randolph randy rania ranim raoul
raphael raphaela raphaelle raquel rasmus ratiba raul raulito ravi ray rayan raymond raymonda raymonde raymondo raymund reba rebeca
rebecca rebecka rebekah reda redouane reece reese reggie regina reginald reginaldo regine regis regula reid reidun reinhard reinhold
reinier remi remigio remon remy renan renard renata renate renato renaud renaude rene renee renie renzo reto reuben rey reyna reynald
reynaldo reza rhiannon rhoda rhonda rhys ria riad ricarda ricardo riccarda riccardo richard rick ricky rico rida rigoberto rihab riham
rikke riley rilla rima rina rinaldo riona risto rita ritchie ritva rivka roald roan rob robbe robbie robby robert roberta roberte
roberto robin robrecht robyn rocco roch rochdi rochelle rocio roddy roderick rodica rodney rodolfo rodolphe rodrick rodrigo rodrigue
roel roeland rogelio roger rogerio rogier rohan roisin roland rolande rolf rolfe rollande romain romaine romana romane romano romaric
romee romeo romina romuald romulus romy ron rona ronald ronaldo ronan ronja ronnie rory rosa rosalba rosalia rosalie rosalind rosalinda
rosaline rosalyn rosana rosangela rosanna rosanne rosaria rose roseanne roselin roseline rosella roselle roselyne rosemarie rosemary
rosetta rosette rosie rosina rosine rosita roslyn rosmarie ross roswitha rowena roxana roxane roxanna roxanne roy roza ruben rubens rubi
ruby rudi rudiger rudolf rudolfo rudolph rudy rufino rufus rupert ruslan russell rustam ruth ruud ryad ryan ryann ryanne ryszard saad
sabah saber sabeth sabina sabine sabino sabri sabrina sacha sadia sadie sadio safa safae safia safiya safouane sahar sahra said saida
saif sakina salah saleh salem salim salima salimata saliou sally salma salman salome salomea salomon salvador salvatore sam samantha
samara samba sameer samia samir sammie sammy samson samuel samuele samuella samy sanae sandie sandor sandra sandrine sandro sandy sanjay
sanjiv sanna sanne sanni santiago santina santino santo sanya saoirse saphir sara sarah sarai saran sarina sascha sasha saskia saturnin
saturnino satya saul sauveur saverio savina savinien savino scarlet scarlett schirin scott sean sebahat sebastiaan sebastian sebastiana
sebastiano sebastiao sebastien segolene seif seifeddine sekou selena selene selim selima selin selina selma selmane semih semra sena
senan senay seneca serafina serafino serap seraphine serena serenella serge sergei sergej sergey sergi sergio serkan servais servane
seth sevda severa severin severine severino sevgi seydou seymour shaima shana shane shani shania shanice shanna shannon shanon shantel
shari sharif sharon sharonda shaun shauna shawn shayan shayna shea sheela sheena sheila shelby sheldon shelia shelley shelly sheri
sherlock sherman sherri sherrie sherry sherwood shirin shirine shirley shiva shivani shona siamak sibel sibylle sidi sidney sidonia
sidonie siegfried sieglinde siegmund sienna sigfrid sigmund signe sigrid sigurd sihame sihem silas silja silje silke silvan silvana
silvano silvere silvestre silvia silvie silvio sima simao simeon simon simona simone simonetta simonne sinan sinead siobhan siri sissel
sissoko sixtine sixtus slavica slawomir slimane sneha socorro sofia sofian sofiane sofie sofya sohan sohane solana solange soledad solen
solene solenn solenne soline solveig sonia sonja sonny sonya sophia sophie sophus soraia soraya soren sorin sosthene souad soufian
soufiane souhail souhila soukaina souleymane soumaya sounia spencer spiros stacey stacy stana stanislao stanislas stanislaw stanko
stanley stavros steeve steevy stef stefan stefania stefanie stefano steffen steffi stelian stelios stella stephan stephane stephania
stephanie stephany stephen stephon steve steven stevie stewart stian stijn stuard stuart styliane sue suellen sulayman sulivan sullivan
sumaya sunil sunita suraj susan susana susann susanna susannah susanne suse susi susie suzan suzanna suzanne suzette suzy svein sven
svenja sverre svetlana swann swen sybil sybille sydney syed sylvain sylvaine sylvana sylvano sylvere sylvester sylvestre sylvette sylvia
sylviane sylvie sylvin sylwia symphorien syrine szymon tabitha tadeusz tahar taina takoua talal talia taliyah tamara tamas tamer tami
tamia tamika tammie tammy tamsin tancrede tanguy tania tanisha tanja tanya taoufik tara tarek tarik tariq tarquin tasha tasnim tata
tatiana tatjana tawny tayeb taylan taylor teagan ted teddy teo teodor teodora teodoro terence teresa teresina teresita teri terje
terrance terrell terrence terri terrie terry tess tessa tessy teun thad thaddeus thais thalia thami thandi thanh thea theda thelma
thelonius theo theodor theodora theodore theodoros theodule theophane theophile theotime theresa therese theresia thibaud thibauld
thibault thibaut thibeau thierry thiery thijs thilo thom thomas thomasina thomasine thor thora thorbjorn thore thorsten thuy tiago tiana
tianna tiara tibault tibor tiburce tidiane tiffany tijana tilda tillie tilly tilmann tim timeo timofey timon timothe timothee timothy
timur tina tine tineke tino tiphaine tiphanie tiphany tirso titia tito titouan tiziana tiziano tobiah tobias tobie tobin toby todd todor
tom tomas tomasz tomaz tommaso tommie tommy toni tonia tonino tonio tonja tony tonya torben tore torsten toufik toussaint tracey tracie
tracy travis trent trenton tresor trevor tricia trina trine trish trisha tristan tristana troy trudie trudy truman tuan tudor tugba
tulay tullio turid turner tyler tyra tyrell tyron tyrone tyson uberto uche udo ugo ulf uli ulla ulrich ulrik ulrike ulysse ulysses umar
umberto umit unai urbain urbano uriel urielle urs ursula ursule usha ushi usman uwe uxia vaclav vadim vaea valarie valbona valda
valdemar valente valentin valentina valentine valentino valere valeria valerian valeriane valeriano valerie valerio valery valter vanesa
vanessa vania vanina vanja vasco vasile vasileios vasily vassili vaughan vaughn veerle veit velma venceslas vera verena verna vernon
veronica veronika veronique vesna vianca vianney vicente vicki vicky vico victoire victor victoria victoriano victorien victorin
victorine victorino vidal vigdis vijay vikram viktor viktoria viktorija vilde vilhelm vilma vince vincent vincente vincenza vincenzo
vinicius vinny viola violaine violet violeta violetta violette virgil virgile virginia virginie virginio virginy visitacion vitalie
vitor vittoria vittorine vittorio viveca vivek vivette vivian viviana viviane vivianne vivica vivien vlad vladimir vladislav vlasta
vojtech volker volodymyr vova wade wael wafa wafae wahiba wahid waldemar walder walid wallace walter walther waltraud wanda wanessa
wanita warda warren wassila wassim wayne wei wenceslas wendel wendeline wendell wendy werner wesley wiebke wieslaw wieslawa wijdan
wilbert wilbur wiley wilfred wilfredo wilfrid wilfried wilhelm wilhelmina wilhelmine will willa willard willem willemijn willi william
willian willie wilma winfried winifred winnie winston wioletta wissam wissem witold wladimir wladyslaw wojciech wolfgang woodrow wouter
wyatt wyn wynne xabi xander xandra xavi xavier xaviera xaviere xenia xin xiomara xochitl yacine yacouba yadira yael yago yahia yahya
yakoub yamina yamna yan yanick yanina yanis yaniv yann yannic yannick yannis yara yarah yaroslav yaser yashar yasin yasir yasmeen yasmin
yasmina yasmine yassin yassine yassir yassmine yazid yehuda yelena yeliz yen yesenia yigit yilmaz yoan yoana yoann yoanna yoav yoel
yohan yohann yohanna yolaine yolanda yolande yolanta yolene yonatan yoni yordan yoris yosef yoshiko youcef youmna youna younes youness
younous youri yousra youssef youssouf youssra yousuf ysaline yuki yula yulia yuliya yuna yunus yuri yuriy yusuf yuval yvain yvan yvanne
yveline yvelise yves yvette yvo yvon yvonne yvonnick zachariah zacharie zachariya zachary zack zackary zahia zahra zaid zaina zainab
zaira zak zakaria zakariya zakary zakia zana zander zane zara zaynab zbigniew zdenek zdravko zeineb zeke zelda zelia zelie zelma zena
zenaida zeno zenon zeynep zia ziad zied zinaida zineb zinedine zita zoe zofia zohra zola zoltan zora zoraida zoran zouhair zouhour
zsofia zsolt zubair zuleika zulema zuzana zygmunt";
