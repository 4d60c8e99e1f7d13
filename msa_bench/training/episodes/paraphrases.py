"""Relations whose text and question share few words, because the same thing can be said in many ways.

In the relations of `ties` the word a question asks with stands in the text, and a model that only ever met those
looks for the word. Here the text says "Ada keeps the bees Olin sold her" in one of several ways and the question asks
for whoever supplied them, so what is learned is to know one thing said by another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msa_bench.relations import Relation, relation

_PEOPLE = """
confides
    | {x} tells every secret to {y}.|Nothing is hidden from {y} that {x} knows.|{y} hears all that troubles {x}.
    | In whom does {x} confide?|Who is trusted with what {x} keeps from others?
    | the confidant of {x}|the one in whom {x} confides
cured
    | {y} nursed {x} back to health.|Thanks to {y} the fever left {x}.|{x} owes a full recovery to {y}.
    | Who cured {x}?|Who made {x} well again?|To whom does {x} owe being healthy?
    | the healer of {x}|whoever cured {x}
rescued
    | {y} pulled {x} out of the burning house.|But for {y}, {x} would have drowned.|{x} is alive because of {y}.
    | Who saved the life of {x}?|Who rescued {x} from danger?
    | the rescuer of {x}|the one who saved the life of {x}
heir
    | {x} left everything to {y}.|In the will of {x} only {y} is named.|The fortune of {x} passed on to {y}.
    | Who inherited from {x}?|Who is the heir of {x}?
    | the heir of {x}|whoever inherited from {x}
debt
    | {x} borrowed a large sum from {y}.|{y} lent money to {x}.|{x} has not paid {y} back.
    | To whom is {x} in debt?|Who is a creditor of {x}?
    | the creditor of {x}|the one to whom {x} owes money
successor
    | {y} took over when {x} retired.|{x} was replaced by {y}.|The office of {x} went to {y}.
    | Who came after {x}?|Who succeeded {x}?
    | the successor of {x}|the one who followed {x} in office
portrait
    | {x} sat for the painter {y}.|{y} put the face of {x} on canvas.|The likeness of {x} was painted by {y}.
    | Who made a portrait of {x}?|By which artist was {x} portrayed?
    | the portraitist of {x}|the artist who portrayed {x}
defended
    | In court {y} spoke for {x}.|{x} was acquitted thanks to the plea of {y}.|{y} took the case of {x}.
    | Who was the lawyer of {x}?|Who defended {x} before the judge?
    | the lawyer of {x}|whoever defended {x} at the trial
accused
    | {y} called {x} a thief.|{x} was charged with theft by {y}.|It was {y} who reported {x} to the police.
    | Who accused {x}?|Who brought a charge against {x}?
    | the accuser of {x}|the one who brought a charge against {x}
shared
    | {x} and {y} slept in the same dormitory.|The bunk above {x} was that of {y}.|{x} had a room together with
      {y}.
    | Who was the roommate of {x}?|With whom did {x} share a bedroom?
    | the roommate of {x}|the one who shared a bedroom with {x}
letters
    | {x} writes to {y} every Sunday.|The postman brings {y} a letter from {x} each week.|{y} answers all mail of
      {x}.
    | With whom does {x} correspond?|Who is the pen pal of {x}?
    | the pen pal of {x}|the one with whom {x} corresponds
chess
    | {x} lost the chess final to {y}.|{y} checkmated {x}.|At the board {x} had to give in to {y}.
    | Who beat {x} at chess?|Against whom did {x} lose a game?
    | the chess player who beat {x}|whoever defeated {x} at chess
introduced
    | {x} became a painter because of {y}.|It was {y} who showed {x} how to hold a brush.|{y} put {x} on the path
      of art.
    | Who got {x} interested in painting?|From whom did {x} learn about art?
    | the one who got {x} interested in painting|the first art tutor of {x}
adopted
    | {y} brought {x} up like a child.|As an orphan {x} came to {y}.|{x} grew up in the care of {y}.
    | Who raised {x}?|Who is the foster parent of {x}?
    | the foster parent of {x}|the one who raised {x}
sibling
    | {x} and {y} have the same parents.|{y} is the twin of {x}.|{x} and {y} are brother and sister.
    | Who is a sibling of {x}?|With whom did {x} grow up as brother or sister?
    | the sibling of {x}|the brother or sister of {x}
engaged
    | {x} gave a ring to {y}.|{y} said yes when {x} proposed.|{x} and {y} will walk down the aisle in June.
    | To whom is {x} engaged?|Whom is {x} going to marry?
    | the betrothed of {x}|the one {x} is going to marry
divorced
    | {x} and {y} parted after ten years of marriage.|{y} used to be the wedded partner of {x}.|The marriage of
      {x} to {y} was dissolved.
    | From whom is {x} divorced?|To whom was {x} once married?
    | the former spouse of {x}|the one from whom {x} is divorced
haircut
    | {y} trims the hair of {x}.|Every month {x} sits in the chair of {y} for a cut.|Nobody but {y} may touch the
      curls of {x}.
    | Who is the hairdresser of {x}?|To whose salon does {x} go?
    | the hairdresser of {x}|the barber of {x}
garden
    | {y} mows the lawn of {x}.|The hedges and roses of {x} are looked after by {y}.|{x} pays {y} to weed the
      flower beds.
    | Who is the gardener of {x}?|Who takes care of the garden of {x}?
    | the gardener of {x}|whoever takes care of the garden of {x}
cook
    | {y} prepares all meals of {x}.|In the kitchen of {x} {y} gives the orders.|{x} eats nothing that {y} has not
      made.
    | Who cooks for {x}?|Who is the chef of {x}?
    | the cook of {x}|the one who cooks for {x}
drives
    | {y} sits at the wheel when {x} travels.|The limousine of {x} is driven by {y}.|{y} takes {x} anywhere by
      car.
    | Who is the chauffeur of {x}?|Who drives {x} around?
    | the chauffeur of {x}|the driver of {x}
guards
    | {y} never leaves the side of {x} in a crowd.|{y} protects {x} with a pistol.|The safety of {x} is in the
      hands of {y}.
    | Who is the bodyguard of {x}?|Who keeps {x} safe?
    | the bodyguard of {x}|the one who protects {x}
ghost
    | The speeches {x} gives are written by {y}.|{y} puts the words into the mouth of {x}.|Each address of {x}
      comes from the desk of {y}.
    | Who is the speechwriter of {x}?|Who writes what {x} says in public?
    | the speechwriter of {x}|the one who writes the speeches of {x}
idol
    | {x} has a poster of {y} over the bed.|From childhood on {x} looked up to {y}.|{y} is the hero of {x}.
    | Whom does {x} admire most?|Who is the idol of {x}?
    | the idol of {x}|the one whom {x} admires most
fears
    | {x} turns pale when {y} enters.|Before {y} the knees of {x} begin to shake.|{x} hides from {y}.
    | Of whom is {x} afraid?|Who frightens {x}?
    | the one who frightens {x}|the person {x} is afraid of
betrayed
    | {y} gave the hiding place of {x} away.|{x} was sold to the enemy by {y}.|For money {y} denounced {x}.
    | Who betrayed {x}?|Who was the traitor to {x}?
    | the betrayer of {x}|whoever betrayed {x}
nurse
    | As a baby {x} was rocked to sleep by {y}.|{y} pushed the pram of {x}.|{y} looked after {x} in the nursery.
    | Who was the nanny of {x}?|Who minded {x} as an infant?
    | the nanny of {x}|the one who minded {x} as an infant
coach
    | {y} stands by the track with a stopwatch when {x} runs.|{x} won the race after a year of drill under
      {y}.|{y} plans the exercises of {x}.
    | Who is the trainer of {x}?|Who coaches {x}?
    | the trainer of {x}|the coach of {x}
doubles
    | {x} and {y} play tennis on the same side of the net.|At tennis {y} serves when {x} stands at the net.|{x}
      won the mixed doubles beside {y}.
    | Who is the tennis partner of {x}?|With whom does {x} play doubles?
    | the tennis partner of {x}|the one with whom {x} plays doubles
dances
    | {x} waltzed with {y} all evening.|At the ball {y} led {x} across the floor.|{x} tangoes with nobody but {y}.
    | Who is the dance partner of {x}?|With whom does {x} dance?
    | the dance partner of {x}|the one {x} dances with
accompanies
    | When {x} sings, {y} sits at the piano.|{y} plays the chords under the songs of {x}.|{x} never gives a
      recital without {y} at the keys.
    | Who accompanies {x}?|Who is the pianist of {x}?
    | the accompanist of {x}|the pianist who plays for {x}
banker
    | {y} looks after the savings of {x}.|The shares of {x} are bought and sold by {y}.|{x} left all capital in
      the hands of {y}.
    | Who manages the money of {x}?|Who is the banker of {x}?
    | the banker of {x}|whoever manages the money of {x}
spied
    | {y} followed {x} in secret for weeks.|From behind a newspaper {y} watched {x}.|{y} noted each step of {x}.
    | Who spied on {x}?|Who kept {x} under observation?
    | the spy who watched {x}|the one who kept {x} under observation
eye
    | {y} made the spectacles of {x}.|The glasses on the nose of {x} are the work of {y}.|{y} measured the eyes of
      {x}.
    | Who is the optician of {x}?|From whom does {x} have glasses?
    | the optician of {x}|the maker of the glasses of {x}
teeth
    | {y} filled two teeth of {x}.|When a molar ached, {x} went to {y}.|{y} pulled a wisdom tooth of {x}.
    | Who is the dentist of {x}?|Who treats the teeth of {x}?
    | the dentist of {x}|whoever treats the teeth of {x}
witness
    | {y} signed as a witness at the wedding of {x}.|When {x} married, {y} held the rings.|{y} stood next to {x}
      at the altar.
    | Who was the best man of {x}?|Who attended {x} at the wedding?
    | the wedding witness of {x}|the one who held the rings for {x}
boss
    | {x} reports to {y}.|{y} decides what {x} does at work.|{x} takes orders from {y}.
    | Who is the superior of {x}?|Who is the boss of {x}?
    | the superior of {x}|the boss of {x}
forged
    | The signature of {x} was faked by {y}.|{y} passed a false cheque in the name of {x}.|{y} imitated the
      handwriting of {x}.
    | Who forged the signature of {x}?|Who pretended to be {x} on paper?
    | the forger of the signature of {x}|whoever forged the signature of {x}
carried
    | {y} carries the luggage of {x}.|Suitcases of {x} are brought up by {y}.|{x} gives every bag to {y}.
    | Who is the porter of {x}?|Who transports the bags of {x}?
    | the porter of {x}|the one who carries the luggage of {x}
bread
    | {x} buys rolls from {y} each morning.|{y} bakes the loaves on the table of {x}.|The bread {x} eats comes out
      of the oven of {y}.
    | Who is the baker of {x}?|From whom does {x} get bread?
    | the baker of {x}|the one from whom {x} gets bread
meat
    | {x} gets sausages from {y}.|The Sunday roast of {x} was cut by {y}.|{y} sells ham and chops to {x}.
    | Who is the butcher of {x}?|From whom does {x} buy meat?
    | the butcher of {x}|the one who sells meat to {x}
clock
    | {y} winds and mends all clocks of {x}.|When a watch stops, {x} takes it to {y}.|The timepieces of {x} are
      kept running by {y}.
    | Who is the watchmaker of {x}?|Who repairs the clocks of {x}?
    | the watchmaker of {x}|whoever repairs the clocks of {x}
translated
    | What {x} says abroad is put into other tongues by {y}.|{y} interprets for {x}.|On journeys {x} speaks
      through {y}.
    | Who is the interpreter of {x}?|Who translates for {x}?
    | the interpreter of {x}|the one who translates for {x}
biography
    | {y} wrote the life of {x}.|A book about {x} was published by {y}.|The story of {x} was told by {y}.
    | Who is the biographer of {x}?|Who described the life of {x}?
    | the biographer of {x}|the author of a book about {x}
published
    | {y} printed the poems of {x}.|The verse of {x} appeared with {y}.|{x} gave the manuscript to {y} to be
      printed.
    | Who is the publisher of {x}?|Who brought out what {x} wrote?
    | the publisher of {x}|the one who printed the poems of {x}
visits
    | On Fridays {x} drops in on {y}.|{y} has {x} to tea once a week.|{x} regularly knocks at the door of {y}.
    | Whom does {x} visit?|Whose guest is {x} every week?
    | the host of {x}|the one whom {x} visits
hired
    | {y} took {x} on as a clerk.|{x} signed a contract of work with {y}.|{x} is paid a wage by {y}.
    | Who hired {x}?|Who gave {x} a job?
    | the one who hired {x}|the person who gave {x} a job
fired
    | {y} sent {x} away without notice.|{x} lost the post because of {y}.|After the mistake {y} showed {x} the
      door.
    | Who dismissed {x}?|By whom was {x} sacked?
    | the one who dismissed {x}|whoever sacked {x}
"""
_PERSON_TO = """
buried town
    | The grave of {x} is in {y}.|{x} was laid to rest in {y}.|The bones of {x} lie in the cemetery of {y}.
    | Where is {x} buried?|In which town is the tomb of {x}?
    | the town where {x} is buried|the burial place of {x}
jailed town
    | {x} sat behind bars in {y}.|{x} served a sentence in the jail of {y}.|In {y} a cell was locked behind {x}.
    | Where was {x} imprisoned?|In which town was {x} a prisoner?
    | the town where {x} was imprisoned|the town whose jail held {x}
lecturing town
    | {x} gives lectures in {y}.|The university of {y} made {x} a professor.|Students in {y} listen to {x}.
    | In which town does {x} teach?|Where does {x} hold a chair?
    | the town where {x} is a professor|the university town of {x}
fled town
    | {x} escaped from {y} by night.|{x} had to leave {y} in a hurry.|From {y} {x} ran away.
    | From where did {x} flee?|Which town did {x} run away from?
    | the town from which {x} fled|the town {x} had to leave
wedding town
    | {x} was married in {y}.|The bells of {y} rang at the wedding of {x}.|{x} exchanged vows in {y}.
    | Where did the wedding of {x} take place?|In which town did {x} marry?
    | the town where {x} married|the wedding place of {x}
debut town
    | {x} first stood on a stage in {y}.|The audience of {y} was the first to applaud {x}.|In {y} {x} gave the
      very first concert.
    | Where did {x} make a debut?|In which town did the career of {x} begin?
    | the town where {x} made a debut|the town in which the career of {x} began
factory town
    | The works that belong to {x} stand in {y}.|In {y} {x} owns a factory.|The chimneys of {x} smoke over {y}.
    | In which town is the factory of {x}?|Where does {x} produce goods?
    | the town with the factory of {x}|the town where {x} produces goods
summer town
    | Each July {x} takes the train to {y}.|{x} has a beach hut in {y}.|The holidays of {x} are always in {y}.
    | Where does {x} go on holiday?|Which town does {x} choose for the summer?
    | the holiday resort of {x}|the town where {x} goes in summer
exile town
    | Banished from home, {x} settled in {y}.|{y} gave asylum to {x}.|In exile {x} lived in {y}.
    | Where did {x} find refuge?|Which town took the exiled {x} in?
    | the town of exile of {x}|the town that took {x} in
directs company
    | {x} is at the helm of {y}.|{y} is managed by {x}.|As chief executive {x} leads {y}.
    | Of which company is {x} the head?|Which firm does {x} direct?
    | the company headed by {x}|the firm that {x} directs
shares company
    | {x} put money into {y}.|A third of {y} belongs to {x}.|{x} holds shares of {y}.
    | In which company did {x} invest?|Which firm has {x} for a shareholder?
    | the company in which {x} invested|the firm of which {x} is a shareholder
sued company
    | {x} took {y} to court.|{y} had to pay damages to {x}.|{x} won a lawsuit over {y}.
    | Which company was sued by {x}?|Against which firm did {x} go to court?
    | the company sued by {x}|the firm that {x} took to court
sells company
    | {x} travels the country with samples of {y}.|{x} is a salesman for {y}.|What {x} sells is made by {y}.
    | Which company does {x} represent?|For which firm does {x} sell?
    | the company that {x} represents|the firm for which {x} sells
sailed ship
    | {x} crossed the ocean on the {y}.|{x} had a cabin aboard the {y}.|The passenger list of the {y} names {x}.
    | On which ship did {x} travel?|Which vessel brought {x} over the ocean?
    | the ship on which {x} travelled|the vessel that carried {x}
wrecked ship
    | {x} survived the sinking of the {y}.|When the {y} went down, {x} swam ashore.|{x} was a castaway of the {y}.
    | From which shipwreck was {x} saved?|Which ship sank with {x} on board?
    | the ship that sank under {x}|the ship whose wreck {x} survived
steers ship
    | {x} gives orders on the bridge of the {y}.|{x} is master of the {y}.|The crew of the {y} obeys {x}.
    | Which ship does {x} command?|Of which ship is {x} the captain?
    | the ship commanded by {x}|the ship of which {x} is captain
reading book
    | {x} knows "{y}" by heart.|On the bedside table of {x} lies "{y}".|{x} reads "{y}" again each year.
    | What is the favourite book of {x}?|Which book does {x} love?
    | the favourite book of {x}|the book {x} loves
hated book
    | {x} threw "{y}" into the fire.|{x} wrote a scathing review of "{y}".|No book bored {x} like "{y}".
    | Which book did {x} dislike?|What book was condemned by {x}?
    | the book that {x} disliked|the book condemned by {x}
hero book
    | A character in "{y}" is modelled on {x}.|Readers of "{y}" recognise {x} in the hero.|{x} was the inspiration
      for "{y}".
    | In which book does {x} appear?|For which book was {x} the model?
    | the book for which {x} was the model|the book in which {x} appears
learned school
    | {x} passed the final examination at {y}.|{x} has a diploma of {y}.|For six years {x} went to {y}.
    | Where was {x} educated?|Which school gave {x} a diploma?
    | the school where {x} was educated|the alma mater of {x}
expelled school
    | {y} threw {x} out for bad conduct.|{x} was dismissed from {y}.|After a prank {x} had to leave {y}.
    | From which school was {x} expelled?|Which school sent {x} away?
    | the school from which {x} was expelled|the school that sent {x} away
lectures school
    | {x} gives lessons at {y}.|Pupils of {y} are instructed by {x}.|{x} is on the teaching staff of {y}.
    | At which school does {x} teach?|Which school employs {x}?
    | the school where {x} teaches|the school that employs {x}
fishes river
    | {x} casts a line into the {y}.|Trout from the {y} are the pride of {x}.|{x} stands with a rod on the bank of
      the {y}.
    | In which river does {x} fish?|Where does {x} catch trout?
    | the river in which {x} fishes|the river where {x} catches trout
swam river
    | {x} swam across the {y}.|From one bank of the {y} to the other {x} needed ten minutes.|The waters of the {y}
      were crossed by {x} without a boat.
    | Which river did {x} cross by swimming?|Through which river did {x} swim?
    | the river that {x} swam across|the river crossed by {x}
composes instrument
    | {x} writes concertos for the {y}.|All music by {x} is meant for the {y}.|The {y} is what {x} composes for.
    | For which instrument does {x} write music?|What instrument does {x} compose for?
    | the instrument {x} composes for|the instrument for which {x} writes music
builds instrument
    | {x} carves the finest {y} in the land.|In the workshop of {x} a {y} is being built.|{x} makes every {y} by
      hand.
    | Which instrument does {x} build?|What is made in the workshop of {x}?
    | the instrument that {x} builds|the instrument made by {x}
cooks dish
    | Nobody makes {y} as well as {x}.|When guests come {x} serves {y}.|{x} is famous for {y}.
    | What is the speciality of {x}?|Which dish does {x} cook best?
    | the speciality of {x}|the dish that {x} cooks best
avoids dish
    | {y} makes {x} ill.|{x} pushes the plate away when there is {y}.|At the mere smell of {y} {x} feels sick.
    | What does {x} refuse to eat?|Which dish does {x} hate?
    | the dish that {x} hates|the food {x} refuses
learns language
    | {x} takes evening classes in {y}.|{x} is studying the grammar of {y}.|{x} bought a dictionary of {y}.
    | Which language is {x} learning?|What tongue does {x} want to master?
    | the language that {x} is learning|the language {x} wants to master
died year
    | {x} passed away in {y}.|The funeral of {x} was in {y}.|In {y} {x} closed both eyes for ever.
    | When did {x} die?|What is the year of death of {x}?
    | the year of death of {x}|the year in which {x} died
won year
    | {x} became champion in {y}.|In {y} {x} carried the trophy home.|The victory of {x} came in {y}.
    | When did {x} win the title?|In which year was {x} the winner?
    | the year in which {x} won|the year of the victory of {x}
lives number
    | {x} has the house number {y}.|On the door of {x} one reads {y}.|Letters to {x} go to number {y}.
    | What is the house number of {x}?|Which number is on the door of {x}?
    | the house number of {x}|the number on the door of {x}
collected number
    | {x} owns {y} stamps.|The album of {x} holds {y} stamps.|{x} counted {y} stamps in all.
    | How many stamps does {x} have?|How large is the stamp collection of {x}?
    | the number of stamps of {x}|the size of the stamp collection of {x}
dog animal
    | {x} takes {y} for a walk on a leash.|{y} barks when someone rings at the door of {x}.|{y} the terrier obeys
      only {x}.
    | What is the dog of {x} called?|Which dog belongs to {x}?
    | the dog of {x}|the dog that belongs to {x}
bird animal
    | In a cage at the window of {x} {y} sings.|{x} feeds seeds to {y} the canary.|{y} the canary sits on the
      finger of {x}.
    | What is the name of {x}'s bird?|Which bird is kept by {x}?
    | the bird of {x}|the bird kept by {x}
"""
_OF_OTHERS = """
saved town person
    | {y} drove the enemy from {x}.|{x} put up a statue of {y}, who lifted the siege.|Without {y}, {x} would have
      fallen.
    | Who saved {x}?|Who is the hero of {x}?
    | the saviour of {x}|the hero of the town {x}
burned town person
    | {y} set {x} on fire.|A torch thrown by {y} reduced {x} to ashes.|The great fire of {x} was started by {y}.
    | Who burned {x} down?|Who was the arsonist of {x}?
    | the arsonist of {x}|the one who burned {x} down
bridge town person
    | The bridge at {x} is a work of the engineer {y}.|{y} spanned the valley at {x} with stone.|{x} got its
      bridge from {y}.
    | Who built the bridge of {x}?|Which engineer worked in {x}?
    | the builder of the bridge of {x}|the engineer of the bridge at {x}
doctor town person
    | The sick of {x} are seen by {y}.|{y} has the only medical practice in {x}.|Whoever coughs in {x} goes to
      {y}.
    | Who is the physician of {x}?|Who treats patients in {x}?
    | the physician of {x}|the doctor who practises in {x}
paper town company
    | What {x} reads at breakfast is printed by {y}.|{y} brings out the daily of {x}.|News in {x} comes from {y}.
    | Which company publishes the newspaper of {x}?|Who prints the daily of {x}?
    | the company that prints the newspaper of {x}|the publisher of the daily of {x}
works town company
    | Half of {x} earns its bread at {y}.|{y} is the largest employer of {x}.|Most people in {x} work for {y}.
    | At which company do the people of {x} work?|Which firm gives {x} jobs?
    | the company where the people of {x} work|the largest employer in {x}
neighbour town town
    | From {x} it is an hour's walk to {y}.|{x} borders on {y}.|The next place after {x} is {y}.
    | Which town is next to {x}?|What is the neighbouring town of {x}?
    | the town next to {x}|the neighbouring town of {x}
colony town town
    | Settlers from {y} built {x}.|{x} is a daughter town of {y}.|The first families of {x} came from {y}.
    | From which town was {x} settled?|Where did the founders of {x} come from?
    | the town whose settlers built {x}|the mother town of {x}
beaten town town
    | {x} lost the football match with {y}.|{y} scored four goals over {x}.|The eleven of {x} went home from {y}
      in defeat.
    | Which town beat {x} at football?|To whose team did {x} lose?
    | the town that beat {x} at football|the town whose team defeated {x}
flooded town river
    | The {y} flooded the cellars of {x}.|When the {y} rises, {x} stands under water.|{x} was drowned by the {y}.
    | Which river flooded {x}?|What river is a danger to {x}?
    | the river that flooded {x}|the river that is a danger to {x}
market town dish
    | {x} is known for its {y}.|Visitors of {x} should taste the {y}.|On the market of {x} everybody eats {y}.
    | What is the speciality of {x}?|Which dish comes from {x}?
    | the dish for which {x} is known|the speciality of the town {x}
tongue town language
    | In the streets of {x} one hears {y}.|The people of {x} talk {y} among themselves.|Signs in {x} are written
      in {y}.
    | Which language is spoken in {x}?|What is the tongue of {x}?
    | the language spoken in {x}|the tongue of the people of {x}
donor school person
    | {y} paid for the new building of {x}.|{x} got a million from {y}.|The library of {x} is a gift of {y}.
    | Who is the benefactor of {x}?|Who gave money to {x}?
    | the benefactor of {x}|the donor to whom {x} owes its library
song school person
    | The hymn that {x} sings was composed by {y}.|{y} set the words of the hymn of {x} to music.|To {y} {x} owes
      its hymn.
    | Who wrote the hymn of {x}?|Who is the composer of the hymn of {x}?
    | the composer of the hymn of {x}|the one who wrote the hymn of {x}
rival school school
    | {x} and {y} meet in a boat race each year.|{x} always wants to be better than {y}.|Pupils of {x} make fun of
      {y}.
    | Which school is the rival of {x}?|With which school does {x} compete?
    | the rival school of {x}|the school with which {x} competes
opened school year
    | The doors of {x} opened in {y}.|The first pupils came to {x} in {y}.|{x} has existed since {y}.
    | When was {x} founded?|In which year did {x} begin?
    | the founding year of {x}|the year in which {x} began
inventor company person
    | The machine {x} sells was invented by {y}.|{y} holds the patent {x} lives on.|{x} grew rich on an idea of
      {y}.
    | Who is the inventor behind {x}?|Whose invention does {x} sell?
    | the inventor behind {x}|the one whose patent {x} uses
thief company person
    | {y} emptied the safe of {x}.|The books of {x} were falsified by {y}.|{y} made off with the wages of {x}.
    | Who robbed {x}?|Who stole from {x}?
    | the one who robbed {x}|the thief who stole from {x}
bought company company
    | {y} swallowed {x}.|{x} is now a part of {y}.|{x} was taken over by {y}.
    | Which company acquired {x}?|By which firm was {x} bought?
    | the company that acquired {x}|the firm that bought {x}
client company company
    | {x} delivers nearly all it makes to {y}.|{y} orders most of its parts from {x}.|The best customer of {x} is
      {y}.
    | Which company buys from {x}?|Who is the main customer of {x}?
    | the main customer of {x}|the company that buys from {x}
bankrupt company year
    | {x} went out of business in {y}.|In {y} the gates of {x} closed for good.|The end of {x} came in {y}.
    | When did {x} fail?|In which year did {x} go bankrupt?
    | the year in which {x} went bankrupt|the last year of {x}
lost ship year
    | The {x} went to the bottom in {y}.|In {y} an iceberg was the end of the {x}.|Since {y} the {x} lies on the
      sea floor.
    | When did {x} sink?|In which year was {x} lost?
    | the year in which {x} sank|the year of the loss of {x}
builder ship person
    | {y} drew the plans of the {x}.|The hull of the {x} was designed by {y}.|The {x} is a design of {y}.
    | Who designed {x}?|Which naval architect created {x}?
    | the naval architect of {x}|the designer of {x}
christened ship person
    | {y} broke a bottle on the bow of the {x}.|The {x} got her name from {y}.|{y} christened the {x}.
    | Who named {x}?|Who launched {x} with a bottle?
    | the one who named {x}|the one who broke a bottle on {x}
line ship company
    | The {x} flies the flag of the shipping line {y}.|{y} sends the {x} across the sea.|{x} carries freight for
      {y}.
    | Which company operates {x}?|To whose fleet does {x} belong?
    | the company that operates {x}|the shipping line of {x}
bound ship town
    | The {x} has set course for {y}.|In a week the {x} will drop anchor in {y}.|The cargo of the {x} is meant for
      {y}.
    | What is the destination of {x}?|To which town is {x} sailing?
    | the destination of {x}|the town to which {x} is sailing
critic book person
    | {y} tore "{x}" to pieces in the paper.|{y} reviewed "{x}".|A long article on "{x}" is by {y}.
    | Who reviewed {x}?|Which critic wrote about {x}?
    | the reviewer of {x}|the critic who wrote about {x}
pictures book person
    | The drawings in "{x}" are by {y}.|{y} drew the plates of "{x}".|"{x}" has pictures from the pen of {y}.
    | Who illustrated {x}?|Which artist worked on {x}?
    | the illustrator of {x}|the artist who illustrated {x}
dedicated book person
    | On its first page "{x}" is dedicated to {y}.|The author of "{x}" thanks {y} above all.|"{x}" was written for
      {y}.
    | To whom is {x} dedicated?|For whom was {x} written?
    | the dedicatee of {x}|the one to whom {x} is dedicated
filmed book person
    | {y} made a film of "{x}".|The screen version of "{x}" was directed by {y}.|{y} brought "{x}" to the cinema.
    | Who filmed {x}?|Who is the director of the film of {x}?
    | the director of the film of {x}|the one who filmed {x}
banned book town
    | In {y} nobody may sell "{x}".|The council of {y} prohibited "{x}".|"{x}" is forbidden in {y}.
    | In which town is {x} banned?|Where may {x} not be sold?
    | the town where {x} is banned|the town that prohibited {x}
appeared book year
    | "{x}" came out in {y}.|The first edition of "{x}" bears the date {y}.|In {y} "{x}" was in the shops.
    | When was {x} published?|In which year did {x} appear?
    | the year of publication of {x}|the year in which {x} appeared
dammed river person
    | {y} had a dam built across the {x}.|The {x} was tamed by {y}.|A barrage by {y} holds the {x} back.
    | Who dammed {x}?|Who built a dam on {x}?
    | the builder of the dam on {x}|the one who dammed {x}
explored river person
    | {y} was the first to follow the {x} to its source.|The {x} was mapped by {y}.|{y} discovered where the {x}
      begins.
    | Who explored {x}?|Who found the source of {x}?
    | the explorer of {x}|the one who found the source of {x}
ends river river
    | The {x} flows into the {y}.|The {y} takes in the waters of the {x}.|{x} is a tributary of the {y}.
    | Into which river does {x} flow?|Where does {x} end?
    | the river into which {x} flows|the river that takes in {x}
"""


def paraphrases() -> Iterator[Relation]:
    """All of them; names are unlike those of other relations."""
    for name, rest in _entries(_PEOPLE):
        yield relation(f"said:{name}", "person", "person", *rest)
    for heading, rest in _entries(_PERSON_TO):
        name, thing = heading.split()
        yield relation(f"said:{name}", "person", thing, *rest)
    for heading, rest in _entries(_OF_OTHERS):
        name, subject, thing = heading.split()
        yield relation(f"said:{name}:{subject}", subject, thing, *rest)


def _entries(text: str) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Heading, statements, questions and phrases of the entries: a heading begins its line, and `| ` begins each of
    the three."""
    for entry in re.split(r"\n(?=\w)", text.strip()):
        heading, statements, questions, phrases = " ".join(entry.split()).split(" | ")
        yield heading, (statements, questions, phrases)
