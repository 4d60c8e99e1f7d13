"""The invented world the chains task asks about; no name and no wording of it is in the world training facts are from.

Every entity has a coined name, so that no answer can be guessed, and every kind that is asked about has several
relations, so that each hop has distractors.
"""

from __future__ import annotations

from msa_bench.relations import Pattern, World, relation, words

_GIVEN = words("""
    Amadou Anouk Aurelio Bettina Bjarne Caspian Cato Dario Delphine Emeka Enid Farida Fenna Goran Gwen Halima Hamza
    Ilse Inez Jorun Jovan Katya Kirsten Leif Lucian Marek Milou Noor Nuri Oksana Otis Paloma Pavel Rasmus Ritva
    Saskia Soren Tariq Tove Umar Una Vasco Viggo Wanda Willa Xenia Yasna Yusuf Zoltan Zita
    """)
_SURNAME_STARTS = words("""
    Ambro Bellu Coppi Dathe Eskri Fontu Gatti Holve Irwe Josti Kemme Lathi Mazzo Nimbe Ostra Pavlo Querci Ribau
    Savro Tulli Umbri Vasse Wolde Yelve Zambo
    """)
_SURNAME_ENDS = words("""
    bane chek dorn fell gard hurst jevic kamp lotti mans nyth quist rand skov tesque vell wen xis zier
    """)
_PLACE_STARTS = words("""
    Aumer Bocken Creuz Delmen Etten Friso Grun Hollen Isen Jever Kollum Luder Meppen Nieu Oster Pries Raven Schoon
    Tensta Urk Visse Wester Zander
    """)
_PLACE_ENDS = words("borg drecht eck furt hausen hoek lo maas naes oord rade siel um veen werd zijl")
_GUILD_STARTS = words("Aqui Bastio Concor Decor Equi Forti Gratia Humani Integri Justi Lauda Merca Orna Pruden Spira")
_GUILD_ENDS = words("bund chora dora fidia lux mens nova phora regis sola terra vita")
_GUILD_KINDS = (" Guild", " Fellowship", " League", " Sodality", " Confraternity")
_INN_SIGNS = ("Three ", "Seven ", "Nine ", "Twelve ", "Forty ")
_INN_STARTS = words("Bell Crown Drum Fiddle Goat Hare Key Kettle Lamp Mitre Owl Plough Saddle Wagon Wheel")
_INN_ENDS = (" Rest", " Court", " Corner", " Cellar", " Yard", " Hearth")
_BOAT_STARTS = words("""
    Alcy Brisa Calyp Doria Elver Fluvi Galen Hespe Iola Juvia Lore Mare Naia Ondi Pelia Rialta Sirena
    """)
_BOAT_ENDS = words("bella castra dine fay gale jenna lune mira nessa quilla rosa stella thea vanna")
_HORSE_ENDS = words("bolt crack dash flick hop jolt leap prance romp skip trot whisk")
_LAKE_ENDS = words("bell dun farr gill hove karn moy nock ruel tarr")
_SPACE, _LAKE = (" ",), ("Lake ",)

PATTERNS: dict[str, tuple[Pattern, ...]] = {
    "person": ((_GIVEN, _SPACE, _SURNAME_STARTS, _SURNAME_ENDS),),
    "village": ((_PLACE_STARTS, _PLACE_ENDS),),
    "guild": ((_GUILD_STARTS, _GUILD_ENDS, _GUILD_KINDS),),
    "inn": ((_INN_SIGNS, _INN_STARTS, _INN_ENDS),),
    "boat": ((_BOAT_STARTS, _BOAT_ENDS),),
    "horse": ((_BOAT_STARTS, _HORSE_ENDS),),
    "lake": ((_LAKE, _PLACE_STARTS, _LAKE_ENDS),),
}

RELATIONS = (
    relation("landlord", "person", "person",
             "{x} rents two rooms from {y}.|{y} lets a flat to {x}.|Every quarter {x} pays the rent to {y}.",
             "From whom does {x} rent rooms?|To whom does {x} pay the rent?|Who lets a flat to {x}?",
             "the landlord of {x}|whoever lets a flat to {x}"),
    relation("godparent", "person", "person",
             "{y} stood godparent to {x}.|{x} has {y} for a godparent.|At the christening of {x}, {y} was godparent.",
             "Who stood godparent to {x}?|Who is the godparent of {x}?|Whom does {x} have for a godparent?",
             "the godparent of {x}|the one who stood godparent to {x}"),
    relation("tailor", "person", "person",
             "The coats of {x} are sewn by {y}.|{y} sews for {x}.|{y} makes all coats of {x}.",
             "Who sews the coats of {x}?|By whom are the coats of {x} sewn?|Who makes all coats of {x}?",
             "the tailor of {x}|the one who sews the coats of {x}"),
    relation("winter", "person", "village",
             "{x} spends each winter in {y}.|When it snows {x} moves to {y}.|{y} is where {x} stays from December on.",
             "Where does {x} spend each winter?|To which village does {x} move when it snows?",
             "the village where {x} spends each winter|the winter refuge of {x}"),
    relation("membership", "person", "guild",
             "{x} swore the oath of the {y}.|The {y} lists {x} among its sworn members.|{x} pays dues to the {y}.",
             "To which guild does {x} pay dues?|The oath of which guild did {x} swear?",
             "the guild to which {x} pays dues|the guild whose oath {x} swore"),
    relation("supper", "person", "inn",
             "{x} takes supper at the {y}.|The {y} keeps a chair for {x}.|For supper {x} goes to the {y}.",
             "At which inn does {x} take supper?|Which inn keeps a chair for {x}?",
             "the inn where {x} takes supper|the inn that keeps a chair for {x}"),
    relation("rower", "person", "boat",
             "{x} rows a boat by the name of {y}.|The boat {y} is rowed by {x}.|{x} sits at the oars of the boat {y}.",
             "By what name does the boat go that {x} rows?|Which boat does {x} row?|At the oars of which boat is {x}?",
             "the boat that {x} rows|the boat with {x} at the oars"),
    relation("mare", "person", "horse",
             "{x} rides a mare by the name of {y}.|The mare {y} lets only {x} ride.|{x} saddled the mare {y}.",
             "By what name does the mare go that {x} rides?|Which mare does {x} ride?",
             "the mare that {x} rides|the mare {x} saddled"),
    relation("warden", "village", "person",
             "The warden {y} keeps the peace in {x}.|{y} serves {x} as warden.|{x} pays {y} to be its warden.",
             "Who serves {x} as warden?|Which warden keeps the peace in {x}?",
             "the warden of {x}|the one who serves {x} as warden"),
    relation("teacher", "village", "person",
             "The children of {x} are taught by {y}.|{y} teaches the children of {x}.|{y} keeps school in {x}.",
             "Who teaches the children of {x}?|By whom are the children of {x} taught?",
             "the one who teaches the children of {x}|the schoolteacher of {x}"),
    relation("water", "village", "lake",
             "{x} draws its water from {y}.|A pipe brings water from {y} to {x}.|The wells of {x} are fed by {y}.",
             "From which lake does {x} draw its water?|Which lake feeds the wells of {x}?",
             "the lake that feeds the wells of {x}|the lake from which {x} draws its water"),
    relation("quarrel", "village", "village",
             "{x} has an old quarrel with {y}.|Nobody in {x} forgives {y}.|{x} bears {y} a grudge.",
             "With which village does {x} have an old quarrel?|Which village does nobody in {x} forgive?",
             "the village with which {x} has an old quarrel|the village that nobody in {x} forgives"),
    relation("treasurer", "guild", "person",
             "{y} keeps the purse of the {x}.|The {x} trusts its purse to {y}.|The treasurer of the {x} is {y}.",
             "Who keeps the purse of {x}?|To whom does {x} trust its purse?",
             "the treasurer of {x}|the keeper of the purse of {x}"),
    relation("meeting", "guild", "village",
             "The {x} meets in {y}.|Once a year {y} receives the {x}.|Meetings of the {x} are held at {y}.",
             "Where does {x} meet?|In which village are the meetings of {x} held?",
             "the village where {x} meets|the meeting place of {x}"),
    relation("parent", "guild", "guild",
             "The {x} broke away from the {y}.|The {x} was once a branch of the {y}.|From the {y} came the {x}.",
             "From which guild did {x} break away?|Of which guild was {x} once a branch?",
             "the guild from which {x} broke away|the guild of which {x} was once a branch"),
    relation("keeper", "inn", "person",
             "Guests of the {x} are welcomed by {y}.|{y} pours the ale at the {x}.|The {x} has {y} for an innkeeper.",
             "Who welcomes the guests of {x}?|Who pours the ale at {x}?",
             "the innkeeper of {x}|the one who pours the ale at {x}"),
    relation("stands", "inn", "village",
             "The {x} stands on the green of {y}.|In {y} one sees the {x} first.|The roof of the {x} rises over {y}.",
             "On the green of which village does {x} stand?|Over which village does the roof of {x} rise?",
             "the village on whose green {x} stands|the village over which the roof of {x} rises"),
    relation("carpenter", "boat", "person",
             "The planks of {x} were cut by {y}.|{y} made the boat {x} with an axe.|{x} is from the workshop of {y}.",
             "Who cut the planks of {x}?|From whose workshop is {x}?",
             "the one who cut the planks of {x}|the boat carpenter who made {x}"),
    relation("mooring", "boat", "village",
             "The boat {x} is tied up at {y}.|{x} lies at the jetty of {y}.|At {y} the boat {x} has its mooring.",
             "At the jetty of which village does {x} lie?|Where is {x} tied up?",
             "the village where {x} is tied up|the village at whose jetty {x} lies"),
)  # fmt: skip

WORLD = World(RELATIONS, PATTERNS)
