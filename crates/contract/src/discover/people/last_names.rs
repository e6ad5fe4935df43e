//! Last names in usual use in the same countries and of people who moved there, folded.

/// With spaces between; of two words with a hyphen, as they are written joined.
pub const LAST_NAMES: &str = "
abadie abbas abbott abdallah abdi abel abraham acosta adam adams adamson adkins agarwal aguilar aguirre ahmadi ahmed aitken akbar akhtar
akter alami albert alexander alexandre ali allain allard alleaume allen allman alonso alvarado alvarez alves amar amari amiot ammar
amrani anders andersen anderson anderssen andersson andre andreassen andrews andrieu andrieux ansari anthony antoine antonov antunes
aouad arab archambault archer armand armstrong arnaud arnold arthur arvidsson asghar asselin atkins atkinson attal aubert aubin aubry
aucher audet audouin auger augustin austin auvray avila ayad ayala aydin ayers azevedo aziz azizi azoulay baba babic bachelet bacon
badie baer bah bailey bailly bain baird baker bakkali bakker bakr balde baldwin ball ballard bancel banks bara barbe barber barbier
barbosa barka barker barlow barnes barnett baron barr barre barrera barret barrett barron barry barthe barthelemy bartlett barton bartos
basset bastien bastos bataille bates baud baudet baudin baudouin baudry bauer baumann baumgartner bayle bazin beasley beau beauchamp
beaufils beaulieu beaumont beck becker beckett begue begum bekkouche bekri belaid belhadj belkacem bell bellamy bellanger belmonte
beltran benabdallah benaissa benali benamar benamor benchaabane bender benhamou benitez benjamin benkirane benmohamed benmoussa bennani
bennett benoit bensaid benslimane benson benyahia berard berg berger bergeron berglund bergman bernard bernardi bernardin bernier
bernstein berrada berry berthe berthelot berthet berthier bertin bertolini bertrand bessette bessin besson bhatt bianchi bidault bigot
billard billy binet birch bird bishop bisson black blackburn blair blake blanc blanchard blanchet blanchot blandin blankenship blin
bloch blondel blot bocquet boileau boisseau boivin bond bonhomme bonin bonneau bonnefoy bonnet bonnin booker boone booth bordes borges
boris bossard bosse bouabdallah boualem bouaziz bouchareb bouche boucher boucheron bouchet boudet boudjema bougeard bouhassoun boukhari
boulanger boulay boulet boumediene bouquet bouras bourdin bourdon bourgeois bourgoin bourguignon bourhis bourne bourque bousquet boutet
boutin bouton bouvet bouvier bouzid bowen bowers bowman boyd boyer boyle brady braham brahimi brandt bras brault braun breen bremond
brennan breton brewer briand bridges bright brochard brock brooks brossard brossier brousse brouwer brown bruce brun bruneau brunel
brunet bruni bruno bruyn bryan bryant buchanan buck buckley bueno bui buisson bull bullock burgess burke burnett burns burton bush
butcher butler byrd byrne cabrera cahill cailleux cain calderon caldwell calhoun callahan calvet calvo camacho camara cameron campbell
campos camus cannon cano cantin capelle cardoso carey carlier carlson carney caro caron carpenter carpentier carr carrasco carre carrier
carrillo carroll carson carter cartier caruso carvalho casanova case casey cassidy castaneda castel castillo castro cattaneo cauchois
causse cavalier cazenave cerny cervantes chaabane chabot chaigneau chambers chambon champion chan chandler chaney chang chaoui chapelle
chapman chapuis charbonneau charbonnier chardin charles charpentier charrier chartier charton chase chassagne chateau chatelain
chatterjee chaudhary chaudhry chauveau chauvet chauvin chavez cheikh chen cheng cherif cherkaoui chesnel cheung chevalier chevallet
chevallier chevrier chikh child choi chopin chopra choquet chow chowdhury christensen christian christie chu cisse claes clark clarke
clarkson claude clavel clay clayton clemens clement clements clerc cline cloutier cobb cochet cochran coelho cohen colas cole coleman
colin collard collet collier collignon collin collins colombo combes combs compton conan conley conner connolly connor conrad constant
conte conti contreras conway cook cooke cooper coppola cordier cornet cornu correia cortes cortez costa costantini coste cote cottin
couderc coudert coulibaly coulon courtin courtois cousin cousins coutant couture couturier cowan cox craig crane crawford crepin crosby
cross cruyff cruz cuevas cummings cunningham curtis da-silva daigle dale dalton daly damour dang daniau daniel daniels danjou dantec dao
daoudi darcy darras dauphin davenport david davidson davies davis davy dawson de-jong de-vries dean deboer debray decker declercq
defrance degrave dejean dejong delage delahaye delamare delannoy delaplace delarue delattre delaunay delcourt deleon delgado delmas
delorme delpech demange demir demonge deng denis dennis desai desbois descamps deschamps deschanel desjardins deslandes desmet desprez
devaux deville devine devos devries dhaene dia diallo diarra dias diaw diaz dickinson dickson didier dietrich diez dijkstra dillon dinh
dion diop dixon djebbar doan dobson dodd dogan domingues dominguez donaldson donnelly donovan dore dos-santos dou doucet douglas
douillard dowd downs doyle drake draper drew dridi drissi drouet drouin dubois dubos dubourg dubreuil duchemin duchene duclos ducrocq
dudley duffy dufour dufresne dugas duhamel dujardin dumas dumont dumoulin dunand duncan dunlap dunn duong dupin duplessis dupont duprat
dupuis dupuy duquesne duran durand durant duret durieux dutertre dutta duval duvivier dvorak dyer eaton eberhardt ebert edouard edwards
egan eklund elliott ellis ellison emery engel english erickson eriksen eriksson espinosa espinoza esposito esteve estrada etcheverry
etienne eustache evans evrard ewing fabien fabre fabry fares farge farley farmer farouk farrell farrugia faucher faure favier favre fay
faye felix fell feng ferguson fernandes fernandez ferrand ferrara ferreira ferrier ferry feuillet fields figueroa filippi finch finley
fischer fisher fitzgerald fitzpatrick flament flandrin fleming fletcher fleury flores flowers flynn fofana foley fonseca fontaine
fontana fonteneau forbes forest forestier foret fortier fortin foster fouche foucher foulon fouquet fourcade fournet fournier fowler fox
francis francois frank franklin franks fraser frazier freeman french friedman frost fry fuchs fuentes fuller furlan gagne gagnon
gaillard gallagher gallais gallegos galli gallo galloway gamble gandhi garcia garcin gardiner gardner garland garner garnier garrett
garrigues garrison garza gates gaudin gauthier gautier gautreau gay geffroy genet gentil geoffroy george georges georgiou gerard gerbaud
germain ghali gharbi ghosh gibbs gibson gicquel gilbert giles gill gilles gillespie gillet gilmore giordano girard girardin giraud
glover godard goddard godefroy godfrey godin godwin goldberg gomes gomez goncalves gonthier gonzalez goodman goodwin gordon gosselin
gough goujon goulet gourdon gracia graf graham grand grandjean granger grant graves gray greco green greene greenwood greer gregoire
gregory grenier griffin griffith griffiths grimaud gros gross grossmann gruber guedes guerin guerra guerrero guessoum gueye guibert
guichard guignard guilbaud guilbert guillaume guillemin guillemot guillet guillot guillou guilloux guo gupta gustafsson guy guyon guyot
guzman haas haddad haddadi hadjadj hahn haines hale haley hall hamdi hamel hamidi hamilton hammond hamon hampton hamza han hancock
hansen hanson harding hardy harmon harper harrington harris harrison hart hartley hartman harvey hassan hassani haugen hawkins hayes
haynes heath hebert hebrard heinrich helm henderson hendricks hendriks henri henriot henriques henriquez henry hensley herbert herman
hermann hernandez herrera herrmann herve hess hewitt hickman hicks higgins hill hoang hobbs hodge hodges hofer hoffman hoffmann hogan
holden holland holloway holmes holt hood hooper hoover hopkins horn horton horvat horvath houdin howard howe howell hu huang hubbard
huber hubert hudson huet huff huffman hughes hugo huguet humbert hunt hunter hurley hurst hussain hussein hutchinson huynh ibanez
ibrahim idrissi iglesias imbert ingram iqbal irvine irwin isaac islam isnard ito ivanov ivanova iyer jaber jackson jacob jacobs jacobson
jacquemin jacques jacquet jacquin jacquot jain james jamet jamin jang janin jankowski jansen janssen janssens jaouen jarry jaubert jean
jeanjean jeannin jeffries jegou jelassi jenkins jennings jensen jenson jiang jimenez johannes johannsen johansen johansson john johns
johnson johnston joly jones jonsson jordan jorgensen joshi josse jouan joubert jourdain jourdan jouve jove joyce juarez julien jullien
jung kaci kaczmarek kaddour kamara kaminski kane kang kante kaplan kapoor kapur karim karlsen karlsson kateb kato kaur kaya kebe keita
keith keller kelley kelly kemp kennedy kent kerr khaldi khalil khan khelifi kieffer kim king kirby kirk klein knight knowles knox
kobayashi koch konate kone konig kovac kovacs kowalczyk kowalski kozlowski kraft kramer krause krishnan kristensen krueger kruger kuhn
kumar kuznetsov kwon labbe laborde lachaud lacombe lacoste lacour lacroix lafon lafont lagarde lahlou lajoie lalanne lam lamarche lamb
lambert lambrecht lamotte lamrani lamy landais landry lang lange langevin langlois lanoe lapierre laporte lara larbi larcher larivee
laroche larose larsen larson larsson lasalle lassalle lau laurens laurent laurin laval lavergne lavigne lawrence lawson le-gall lebeau
lebel leblanc leblond lebreton lebrun leclerc leclercq lecocq lecomte lecoq lecuyer ledoux leduc lee lefebvre lefevre lefort lefranc
legall legay leger legrand legros lehmann lelievre lelong leloup lemaire lemaitre lemercier lemoine lemonnier lenoir leon leonard leone
lepage lepretre leray leriche leroux leroy lesage leslie lester letellier leung levasseur leveque levesque levine levy lewandowski lewis
li liang lim lin lindberg lindgren lindsay lindstrom liu livingston lloyd logan loiseau lombard lombardi long longo loper lopes lopez
lorentz lorenzini lorenzo lorin loubet louis louvet love lovell lowe lowery lu lucas luce lucena luna luo lussier lutz ly lynch lynn
lyon lyons maas macdonald mace machado macias mack mackay mackenzie madden maddox maes magnan magnier magnin mahe mahjoub mahmood
mahmoud mahoney maier maillard maillet maire malherbe malhotra malik mallet malone manceau mancini mangin mann manning mansour mansouri
manuel marais marc marcel marchal marchand marcotte marechal maret margerie mariani marie marin marino mariotte maroille marquet marquez
marquis marsh marshall marteau martel marti martin martineau martinez martini martino martins marty mason massart masse massey masson
mathews mathieu mathis matos matthews mauger maurel maurer maurice maury maxwell may mayer maynard mayo mazet mazur mbaye mccall
mccarthy mccarty mccormick mccoy mccullough mcdaniel mcdonald mcdowell mcgee mcgrath mcguire mcintosh mcintyre mckay mckee mckenna
mckenzie mckinney mclaughlin mclean mcmahon mcmillan mcneil mcpherson mead mebarki medina mehra mehta meier meijer mejia mejri melendez
melis melton menard mendes mendez mendoza mendy merabet mercado mercer mercier merle merlin mertens messaoudi metcalf meunier meyer
meyers meziane michaud michel michelet michon middleton mignot mihai miles millard miller millet millot mills milne minard miquel
miranda mirza mishra mitchell mohamed mohammed molina moller monier monnet monnier monroe montagne montaigne montes montgomery monti
montoya moody moon moore mora moraes morales moran morand moreau moreira morel morelli moreno moretti morgan morin morris morrison
morrow morse morton moser moses mosley mouchet moulin mouret moussaoui mouton mueller mulder mullen muller mullins muniz munoz munro
murphy murray myers naceri nadeau nagy nair nakamura nash nasri nathan naud navarre navarro neal neel nelson nemeth neuville newman
newton ng ngo nguyen nicholls nichols nicholson nicolas nicolle nielsen nieto nikolaidis nilsson nixon noble noel nogueira nolan norman
norris norton novak nowak nowicki nunes nunez oakley obrien ocampo ochoa oconnell oconnor odonnell odriscoll ogden okeefe oliveira
oliver olivier olivieri ollivier olofsson olsen olson olsson omar oneill oreilly orsini ortega ortiz osborn osborne osullivan otoole ott
ouali ouattara ouedraogo owen owens ozturk pace pache pacheco page paige paillard palacios palmer pan pandey papadopoulos paquet parent
parish parker parks parmentier parrish parsons pascal pasquet pasquier pastor patel paterson paton patrick patterson patton paul pavlov
payet payne paz peacock pearce pearson peck pedersen peeters pellegrini pelletier peltier pena peng penn pepin percy pereira perez
perkins perrault perret perrier perrin perron perrot perry persson pesce peter peters petersen peterson petersson petit petitjean petrov
petrova pettersson pham phan phelps philipot philippe philippon phillips pho piat picard pichard pichon pierce pierre pierson pieters
pike pillet pinard pinault pineau pinto piotrowski pires piron pittman pitts plante platt poirier poirot poisson pollard pollet pommier
ponce poncet pons poole popa pope popescu popov porter portier pospisil potter pottier potts poulain poulet poulin poupard powell powers
prat pratt prevost price prieto prieur prigent prince prost prudhomme pruitt pruvost puech pugh quentin quere quinn quintana quintero
qureshi rahal rahman rahmani raimbault rajan rambaud ramirez ramos ramsey rana randall rao rasmussen raymond raynaud reddy reed reese
reeves regnier reid reilly remy renard renaud rene rey reyes reyna reynaud reyne reynolds rhodes ribeiro ricci rice rich richard
richards richardson richer richter riddle riggs riley rinaldi rios ritchie ritter rivas rivera rivers rivet riviere rizzo roach robbins
robert roberts robertson robin robinet robinson robles rocha rochas roche rodgers rodrigues rodriguez roger rogers roland rolland rollin
rollins roman romano romanov romero rosa rosario rose rosen rosenberg ross rosset rossi rossignol rouault roubaud rouger rouiller
rouland rousseau roussel rousselle rousset roussin roux rouyer rowe rowland roy royer rubin rubio rueda ruggiero ruiz rush russell russo
ruth ryan saadi sabatier sabri sadler saez sagnier sahraoui saidani saidi sala salah salas salaun salazar salem salgado salhi salinas
salmon salomon sampson samson samuel sanchez sanders sangare sanna santana santiago santoro santos sasaki sato saunders sauvage
sauvageot savage savary sawyer saxena schaefer schaeffer schafer schmid schmidt schmit schmitt schmitz schneider schreiber schroeder
schubert schultz schulz schulze schuster schwartz schwarz scott seck seguin sellier sene senechal serra serrano serre sexton shah sharma
sharp sharpe shaw shea sheikh shelton shen shepard shepherd sheppard sherman shetty shi shields shin sicard siddiqui silva silvestri
simard simeon simmons simoes simon simonet simonin simonnet simpson sims sinclair singh singleton sinha sissoko skinner slater slimani
sloan smirnov smith smits snow snyder soares sokolov soler solis song sorel sorensen sosa soto soulier souza sow spears spencer
srinivasan stanley stanton stark steele stein stephan stephens stephenson stevens stevenson stewart stokes stone stout strickland strong
stuart suarez sullivan sun sutton suzuki svensson svoboda swanson sweeney sylla sylvain sylvestre szabo szymanski tabet tahiri
taillandier talbi talbot tanaka tang tanguy tanner tardieu tardy tate tavares taylor tazi tellier terrier terry testa texier thakur
thebault theret therond thiam thibaud thibault thiebaut thierry thiery thill thivierge thomas thompson thomson thornton thorpe tian
tissier tissot tiwari todd tomas tomlinson torre torres toth touati toure toussaint townsend trabelsi tran traore travers tremblay
trevino tricot tripier trivedi trujillo truong tsai tucker turcotte turner turpin tyler underwood ung urban urbanski vaillant valdez
valencia valentin valette valle vallee vallet van-dijk vance vandamme vandenberghe vandijk vargas vasseur vaughan vaughn vazquez vega
velasquez velazquez verdier verdun vergne verma vermeulen vernet veron verrier viard viaud vidal vieira viel vigier vigneron vigouroux
vilar villa villanueva villeneuve villette vincent vinson virieux visser vitale vivier vo vogel voisin volkov vos voss vu wade wagner
wahab walker wall wallace waller wallis walls walsh walter walters walton wang ward ware warner warren washington watanabe waters
watkins watson watts weaver webb webber weber webster weeks wei weill weiss welch wells welsh werner wheeler whitaker white whitehead
whitfield whitney wiggins wilcox wilder wiley wilhelm wilkerson wilkins wilkinson willems williams willis wilson winkler winter winters
wise wisniewski wojcik wolf wolfe wolff wong wood woodard woods woodward wouters wright wu wyatt xiao xie xu yadav yahiaoui yamada
yamamoto yan yang yates yildiz yilmaz yoshida younes young younsi yu yuan yvon zaidi zamora zapata zerrouki zhang zhao zhou zhu ziani
zidane ziegler zielinski zimmer zimmerman zimmermann zitouni";
