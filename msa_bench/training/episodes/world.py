"""The invented world training facts are about; evaluation has another one, with other names and other wordings."""

from __future__ import annotations

from msa_bench.relations import Pattern, World, relation, words
from msa_bench.training.episodes.paraphrases import paraphrases
from msa_bench.training.episodes.ties import ties
from msa_bench.training.episodes.words import ADJECTIVES, COINED, NOUNS

GIVEN = words("""
    Abigail Adela Alastair Alma Ambrose Anders Aniela Anselm Astrid Augusta Barnaby Beatrix Benedikt Blanche Bruno
    Camilla Casimir Cecily Clement Cordelia Cosmo Dagmar Damian Daphne Desmond Dorothea Edgar Edwina Eleanor Elias
    Elspeth Emeric Esther Eugenia Fabian Felicity Ferdinand Flora Florian Frederica Gareth Gideon Giles Greta Gudrun
    Gustav Harriet Hector Hedwig Hugo Imogen Isidor Isolde Jasper Joachim Johanna Judith Kaspar Klara Konrad Lambert
    Lavinia Leopold Lionel Lorenz Lucinda Ludwig Magnus Matilda Maximilian Mildred Mireille Moritz Muriel Nadia
    Nathaniel Nikolai Octavia Odette Olga Orson Ottilie Percival Petra Philippa Quentin Ragnar Regina Roderick
    Rosalind Rupert Sabine Sebastian Selma Sigrid Stellan Sybil Tabitha Tamsin Theodora Thaddeus Tobias Ulrich
    Ursula Valentin Vera Viola Wilfred Winifred Xaver Yolanda Yvonne Zelda
    """)
SURNAME_STARTS = words("""
    Ald Bax Bram Cald Carn Crav Dray Dun Esk Fenn Gar Grim Hald Hesk Inch Jarr Keld Kirk Lorn Mard Mell Nor Oss Pell
    Prit Quen Rath Rusk Sorr Strad Tav Thorn Ulv Varr Wend Whit Yarl Zell
    """)
SURNAME_ENDS = words("""
    acott aby ander ardine asham ashaw aster ebury eld ember enby erick erley ersett esson etti ical idge ifant igan
    inder ingale inski ister ivane olan oldry omber onelli opp orwell ossick otham ovic uldy umford unsen ushka yard
    ymond
    """)
TOWN_STARTS = words("""
    Abber Arn Bas Birk Brock Cal Chel Corb Dal Dorn Ebb Elster Fal Far Gilt Glen Hag Hex Ing Ketter Kil Lang Lath
    Lough Marl Mil Nant Nether Oker Orm Pen Port Quar Ran Ros Sal Selk Skel Tam Tarn Thrush Uld Vel Wal Wex Yar
    """)
TOWN_ENDS = words("""
    acre ampton anger beck brough bourg cote darra ennis ester grave heim hithe ingen kirk leigh lund minster mond
    ness ora pool rath rick scar sett shall skerry strath thorpe tofts vale wardine wynn
    """)
_FIRM_STARTS = words("""
    Alto Brio Cando Delvo Ferro Gallo Hexa Indo Juro Kallo Lumo Mira Novo Orbi Pluto Quanta Rivo Solva Tecto Umbra Verti
    Xeno
    """)
_FIRM_ENDS = words("""
    dyne forge graph lane line mark mesh metal nautic path pipe press rail stone tex trade trim volt ware weave works
    """)
_FIRM_KINDS = (" Foundry", " Partners", " Mills", " Carriers", " Laboratories", " Brothers", " Trading", " Instruments")
_SCHOOL_KINDS = (" College", " Academy", " Institute", " Grammar School", " Conservatory", " Seminary")
_CLUB_KINDS = (" Rovers", " Athletic", " Wanderers", " United", " Harriers", " Swimming Club", " Chess Club")
_BAND_KINDS = (" Quartet", " Brass Band", " Choir", " Ensemble", " Trio")
_STAGE_KINDS = (" Playhouse", " Theatre", " Opera House", " Music Hall")
_FARM_KINDS = (" Farm", " Grange", " Homestead", " Dairy")
_PAPER_KINDS = (" Courier", " Gazette", " Herald", " Observer", " Post", " Tribune")
_MUSEUM_KINDS = (" Museum", " Gallery", " Collection")
_TITLED_NOUNS = tuple(noun.capitalize() for noun in NOUNS)
_TITLED_ADJECTIVES = tuple(adjective.capitalize() for adjective in ADJECTIVES)
_TITLED_PLURALS = tuple(f"{noun}s" for noun in _TITLED_NOUNS)
_DIGITS = tuple("0123456789")
_SYLLABLES = words("ba bri cho da el fa gri ho in jo ka lu ma ne or pa qui ra sho ti ul ve wi ya zo")
_CODAS = words("""
    bren cket del fsson gan gle ko kov lda mir mpton nda nnet nov phie que rdo rgen
    rris sca shko ssey stra tch thy tzel vane xton
    """)
_TITLED_SYLLABLES = tuple(syllable.capitalize() for syllable in _SYLLABLES)
_SPACE, _THE, _OF = (" ",), ("The ",), (" of ",)
_COINED_NAME = (_TITLED_SYLLABLES, _SYLLABLES, _CODAS)

PATTERNS: dict[str, tuple[Pattern, ...]] = {
    "person": (
        (GIVEN, _SPACE, SURNAME_STARTS, SURNAME_ENDS),
        (GIVEN, _SPACE, *_COINED_NAME),
        (*_COINED_NAME, _SPACE, SURNAME_STARTS, SURNAME_ENDS),
        (*_COINED_NAME, _SPACE, *_COINED_NAME),
    ),
    "town": (
        (TOWN_STARTS, TOWN_ENDS),
        (("Great ", "Little ", "Upper ", "Lower ", "Old "), TOWN_STARTS, TOWN_ENDS),
        _COINED_NAME,
        (*_COINED_NAME, ("stadt", "bury", "polis", "grad", "wick", "abad", "pur", "mouth")),
    ),
    "company": (
        (_FIRM_STARTS, _FIRM_ENDS, _FIRM_KINDS),
        (SURNAME_STARTS, SURNAME_ENDS, _FIRM_KINDS),
        (*_COINED_NAME, _FIRM_KINDS),
        (_TITLED_ADJECTIVES, _SPACE, _TITLED_NOUNS, _FIRM_KINDS),
    ),
    "ship": ((_TITLED_ADJECTIVES, _SPACE, _TITLED_NOUNS), (_TITLED_NOUNS, _OF, TOWN_STARTS, TOWN_ENDS), _COINED_NAME),
    "pet name": (
        _COINED_NAME,
        (_TITLED_NOUNS,),
        (_TITLED_ADJECTIVES, _SPACE, _TITLED_NOUNS),
        (GIVEN,),
        (_THE, _TITLED_ADJECTIVES, _SPACE, _TITLED_NOUNS),
        (GIVEN, ("'s ",), _TITLED_NOUNS),
    ),
    "book": ((_THE, _TITLED_NOUNS, _OF, TOWN_STARTS, TOWN_ENDS), (_THE, _TITLED_ADJECTIVES, _SPACE, _TITLED_NOUNS)),
    "school": ((TOWN_STARTS, TOWN_ENDS, _SCHOOL_KINDS), (*_COINED_NAME, _SCHOOL_KINDS)),
    "river": ((("River ",), _TITLED_SYLLABLES, _SYLLABLES, ("n", "r", "l", "sk", "th")),),
    "instrument": ((ADJECTIVES, _SPACE, ("viol", "horn", "lute", "zither", "fiddle", "drum", "organ", "pipe")),),
    "dish": ((("braised ", "pickled ", "smoked ", "stewed ", "baked "), COINED, (" pie", " soup", " stew", " cake")),),
    "language": ((_TITLED_SYLLABLES, _SYLLABLES, ("ese", "ish", "ian", "ic")),),
    "animal": ((_TITLED_SYLLABLES, _SYLLABLES), (_TITLED_NOUNS,)),
    "club": (
        (TOWN_STARTS, TOWN_ENDS, _CLUB_KINDS),
        (*_COINED_NAME, _CLUB_KINDS),
        (_TITLED_ADJECTIVES, _SPACE, _TITLED_NOUNS, _CLUB_KINDS),
    ),
    "island": (
        (("Isle of ", "Island of "), _TITLED_SYLLABLES, _SYLLABLES),
        (_TITLED_SYLLABLES, _SYLLABLES, (" Island",)),
    ),
    "band": ((_THE, _TITLED_ADJECTIVES, _SPACE, _TITLED_PLURALS), (TOWN_STARTS, TOWN_ENDS, _BAND_KINDS)),
    "theatre": ((_TITLED_NOUNS, _STAGE_KINDS), (*_COINED_NAME, _STAGE_KINDS)),
    "farm": ((*_COINED_NAME, _FARM_KINDS), (_TITLED_NOUNS, _FARM_KINDS), (SURNAME_STARTS, SURNAME_ENDS, _FARM_KINDS)),
    "newspaper": ((TOWN_STARTS, TOWN_ENDS, _PAPER_KINDS), (*_COINED_NAME, _PAPER_KINDS)),
    "museum": ((_TITLED_NOUNS, _MUSEUM_KINDS), (SURNAME_STARTS, SURNAME_ENDS, _MUSEUM_KINDS)),
    "mountain": ((("Mount ", "Piz ", "Ben "), _TITLED_SYLLABLES, _CODAS), (_TITLED_NOUNS, (" Peak", " Fell", " Horn"))),
    "year": ((("16", "17", "18", "19"), _DIGITS, _DIGITS),),
    "number": ((_DIGITS[1:], _DIGITS, _DIGITS, _DIGITS),),
}

RELATIONS = (
    relation("birthplace", "person", "town",
             "{x} was born in {y}.|{y} is the birthplace of {x}.|{x}, a native of {y}, never forgot the place.",
             "Where was {x} born?|In which town was {x} born?|What is the birthplace of {x}?",
             "the birthplace of {x}|the town where {x} was born"),
    relation("residence", "person", "town",
             "{x} now lives in {y}.|{x} has a house in {y}.|The present home of {x} is in {y}.",
             "Where does {x} live?|In which town does {x} live?|Which town is the home of {x}?",
             "the town where {x} lives|the home town of {x}"),
    relation("mentor", "person", "person",
             "{y} was the mentor of {x}.|{x} was apprenticed to {y}.|{x} learned the trade from {y}.",
             "Who was the mentor of {x}?|To whom was {x} apprenticed?|From whom did {x} learn the trade?",
             "the mentor of {x}|the person who taught {x} the trade"),
    relation("spouse", "person", "person",
             "{x} is married to {y}.|{y} and {x} married in spring.|The spouse of {x} is {y}.",
             "Who is married to {x}?|Who is the spouse of {x}?|Whom did {x} marry?",
             "the spouse of {x}|the person married to {x}"),
    relation("rival", "person", "person",
             "{x} had a lifelong rival, {y}.|The great rival of {x} was {y}.|{y} competed with {x} in everything.",
             "Who was the rival of {x}?|With whom did {x} compete?|Name the great rival of {x}.",
             "the rival of {x}|the great rival of {x}"),
    relation("physician", "person", "person",
             "{x} is treated by the physician {y}.|The doctor of {x} is {y}.|When ill, {x} sends for {y}.",
             "Who is the doctor of {x}?|Which physician treats {x}?|For whom does {x} send when ill?",
             "the doctor of {x}|the physician who treats {x}"),
    relation("employer", "person", "company",
             "{x} works for {y}.|{y} employs {x}.|{x} has a post at {y}.",
             "For which company does {x} work?|Who employs {x}?|Where does {x} have a post?",
             "the company that employs {x}|the employer of {x}"),
    relation("school", "person", "school",
             "{x} studied at {y}.|{x} is a graduate of {y}.|{y} counts {x} among its former students.",
             "Where did {x} study?|Which school did {x} attend?|From which school did {x} graduate?",
             "the school that {x} attended|the school where {x} studied"),
    relation("shipowner", "person", "ship",
             "{x} is the owner of the ship {y}.|The ship {y} is the property of {x}.|{x} bought a ship called {y}.",
             "Which ship does {x} own?|What is the name of the ship that {x} bought?|What ship is owned by {x}?",
             "the ship owned by {x}|the ship that {x} bought"),
    relation("author_of", "person", "book",
             '{x} is the author of "{y}".|"{y}" was written by {x}.|{x} became known for the book "{y}".',
             "Which book did {x} write?|What is the title of the book by {x}?|For which book is {x} known?",
             "the book written by {x}|the book by {x}"),
    relation("instrument", "person", "instrument",
             "{x} plays the {y}.|On the {y} nobody is better than {x}.|{x} took lessons on the {y}.",
             "Which instrument does {x} play?|What does {x} play?|On what did {x} take lessons?",
             "the instrument played by {x}|the instrument {x} plays"),
    relation("dish", "person", "dish",
             "{x} likes {y} best of all.|The favourite dish of {x} is {y}.|{x} orders {y} every time.",
             "What is the favourite dish of {x}?|What does {x} like best to eat?|Which dish does {x} always order?",
             "the favourite dish of {x}|the dish {x} likes best"),
    relation("language", "person", "language",
             "{x} speaks fluent {y}.|The mother tongue of {x} is {y}.|At home {x} speaks {y}.",
             "Which language does {x} speak?|What is the mother tongue of {x}?|What does {x} speak at home?",
             "the mother tongue of {x}|the language {x} speaks"),
    relation("pet", "person", "animal",
             "{x} has a dog named {y}.|The dog of {x} is called {y}.|{y} is the name of the dog that {x} keeps.",
             "What is the dog of {x} called?|What is the name of {x}'s dog?|How is the dog that {x} keeps named?",
             "the name of the dog of {x}|the dog of {x}"),
    relation("born", "person", "year",
             "{x} was born in the year {y}.|The year of birth of {x} is {y}.|{x} came into the world in {y}.",
             "In which year was {x} born?|What is the year of birth of {x}?|When did {x} come into the world?",
             "the year of birth of {x}|the year in which {x} was born"),
    relation("mayor", "town", "person",
             "The mayor of {x} is {y}.|{y} was elected mayor of {x}.|{x} chose {y} as its mayor.",
             "Who is the mayor of {x}?|Who was elected mayor of {x}?|Whom did the voters of {x} choose as mayor?",
             "the mayor of {x}|the person elected mayor of {x}"),
    relation("hall", "town", "person",
             "The town hall of {x} was designed by {y}.|{y} was the architect of the town hall in {x}."
             "|{x} owes its town hall to the architect {y}.",
             "Who designed the town hall of {x}?|Who was the architect of the town hall in {x}?"
             "|To which architect does {x} owe its town hall?",
             "the architect of the town hall of {x}|the designer of the town hall in {x}"),
    relation("river", "town", "river",
             "{x} lies on the {y}.|The {y} runs through {x}.|The bridges of {x} cross the {y}.",
             "On which river does {x} lie?|Which river runs through {x}?|What river do the bridges of {x} cross?",
             "the river that runs through {x}|the river of {x}"),
    relation("twin", "town", "town",
             "{x} is twinned with {y}.|{y} is the twin town of {x}.|{x} and its twin town {y} exchange visits.",
             "With which town is {x} twinned?|What is the twin town of {x}?|Which town exchanges visits with {x}?",
             "the twin town of {x}|the town twinned with {x}"),
    relation("founded", "town", "year",
             "{x} was founded in {y}.|The town of {x} dates from {y}.|In {y} the first stone of {x} was laid.",
             "When was {x} founded?|From which year does {x} date?|In which year was the first stone of {x} laid?",
             "the founding year of {x}|the year in which {x} was founded"),
    relation("seat", "company", "town",
             "{x} has its head office in {y}.|{x} is based in {y}.|The offices of {x} stand in {y}.",
             "Where is {x} based?|In which town is the head office of {x}?|Where do the offices of {x} stand?",
             "the town where {x} is based|the town with the head office of {x}"),
    relation("director", "company", "person",
             "{y} is the director of {x}.|{x} is run by {y}.|The board of {x} made {y} its director.",
             "Who is the director of {x}?|Who runs {x}?|Whom did the board of {x} make director?",
             "the director of {x}|the person who runs {x}"),
    relation("founder", "company", "person",
             "{x} was founded by {y}.|{y} started {x} in a small shed.|The founder of {x} is {y}.",
             "Who founded {x}?|Who is the founder of {x}?|Who started {x}?",
             "the founder of {x}|the person who started {x}"),
    relation("supplier", "company", "company",
             "{x} buys its raw materials from {y}.|{y} is the main supplier of {x}.|{y} delivers to {x} every week.",
             "Who sells raw materials to {x}?|Who is the main supplier of {x}?|Which company delivers to {x}?",
             "the main supplier of {x}|the company that delivers to {x}"),
    relation("staff", "company", "number",
             "{x} has {y} workers.|The staff of {x} numbers {y}.|There are {y} people on the payroll of {x}.",
             "How many workers does {x} have?|How large is the staff of {x}?|How many people does {x} pay?",
             "the number of workers of {x}|the size of the staff of {x}"),
    relation("captain", "ship", "person",
             "The captain of {x} is {y}.|The ship {x} sails under {y}.|{y} commands the ship {x}.",
             "Who is the captain of {x}?|Under whom does {x} sail?|Who commands {x}?",
             "the captain of {x}|the commander of {x}"),
    relation("port", "ship", "town",
             "The home port of {x} is {y}.|The ship {x} is registered in {y}.|{y} is where the ship {x} belongs.",
             "What is the home port of {x}?|Where is {x} registered?|In which port does {x} belong?",
             "the home port of {x}|the town where {x} is registered"),
    relation("shipyard", "ship", "company",
             "The ship {x} was built by {y}.|{y} built the ship {x}.|The builder of {x} was {y}.",
             "Who built {x}?|Which company was the builder of {x}?|By which company was {x} built?",
             "the company that built {x}|the builder of {x}"),
    relation("launched", "ship", "year",
             "The ship {x} was launched in {y}.|{x} first took to sea in {y}.|The launch of {x} was in {y}.",
             "When was {x} launched?|In which year did {x} first take to sea?|When was the launch of {x}?",
             "the launch year of {x}|the year in which {x} was launched"),
    relation("publisher", "book", "company",
             '"{x}" was published by {y}.|{y} is the publisher of "{x}".|{y} brought out "{x}".',
             "Who published {x}?|Which company is the publisher of {x}?|Who brought out {x}?",
             "the publisher of {x}|the company that published {x}"),
    relation("translator", "book", "person",
             '"{x}" was translated by {y}.|{y} is the translator of "{x}".|{y} made the only translation of "{x}".',
             "Who translated {x}?|Who is the translator of {x}?|Who made the only translation of {x}?",
             "the translator of {x}|the person who translated {x}"),
    relation("setting", "book", "town",
             'The story of "{x}" is set in {y}.|"{x}" takes place in {y}.|{y} is the scene of "{x}".',
             "Where is the story of {x} set?|In which town does {x} take place?|Which town is the scene of {x}?",
             "the town where {x} takes place|the scene of {x}"),
    relation("head", "school", "person",
             "The head of {x} is {y}.|{y} was appointed head of {x}.|{x} is led by {y}.",
             "Who is the head of {x}?|Who was appointed head of {x}?|By whom is {x} led?",
             "the head of {x}|the person who leads {x}"),
    relation("place", "school", "town",
             "{x} is located in {y}.|The buildings of {x} are in {y}.|Students of {x} live in {y}.",
             "Where is {x} located?|In which town are the buildings of {x}?|Where do the students of {x} live?",
             "the town where {x} is located|the location of {x}"),
    relation("spring", "river", "town",
             "The {x} rises near {y}.|The source of the {x} is close to {y}.|Near {y} the {x} springs from a rock.",
             "Near which town does {x} rise?|Where is the source of {x}?|Near which town does {x} spring from a rock?",
             "the town near the source of {x}|the town near which {x} rises"),
)  # fmt: skip

DRAWN_TIES = 30
"""Chores, and towns where something is done, among the relations that are put together from lists."""

WORLD = World((*RELATIONS, *paraphrases(), *ties(DRAWN_TIES)), PATTERNS)
