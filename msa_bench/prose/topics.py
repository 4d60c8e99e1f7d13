"""Who, what and where the prose is about: one block of words per topic.

Every noun under `role` and `thing` has a regular plural; `did` holds verbs in the simple past that take any `thing` of
their topic; `place` and `matter` follow "the".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Words = Mapping[str, tuple[str, ...]]

_TRAITS = "old, new, small, large, plain, simple, heavy, light, broken, clean, dark, bright, cheap, strange, fine"
_PARTICIPLES = {"wrote": "written", "drew": "drawn", "grew": "grown", "forgot": "forgotten", "hid": "hidden"}

_TOPICS = """
# the sea
role: captain, sailor, fisher, pilot, diver, boat builder, harbor master, dock worker, ship cook, ferry driver
thing: boat, net, anchor, rope, sail, lantern, barrel, compass, chart, oar, mast, ferry, crate, hook, pump, flag,
    cabin, ladder, whistle, paddle, raft, bucket, signal lamp, engine
place: harbor wall, pier, lighthouse, boat shed, river mouth, north beach, fish dock, channel, customs house, lower
    deck
did: painted, repaired, loaded, tied, towed, checked, lost, found, cleaned, borrowed, sold, lifted, covered, lowered
trait: wooden, rusty, wet, narrow, blue, leaking, striped, patched, salty, floating
matter: tide table, price of fish, fog, winter storm, harbor tax, ferry route, size of the catch, depth of the
    channel, wind, night watch, shipping news, state of the pier

# the farm
role: farmer, shepherd, miller, farm hand, dairy worker, fruit grower, beekeeper, stable boy, neighbor, land owner
thing: plow, cart, fence, barn, tractor, field, gate, saddle, basket, ditch, hive, orchard, milk can, hay bale,
    shovel, scarecrow, wagon, well, seed bag, horse, goat, hen house, apple tree, stone wall
place: lower field, hay barn, mill, orchard, dairy, cattle market, stream, hill pasture, farm yard, grain store
did: mended, sold, bought, moved, built, pulled, painted, inspected, rented, emptied, cleared, watered, measured,
    guarded
trait: muddy, green, rough, crooked, dry, wooden, fertile, dusty, shady, rotten
matter: harvest, price of wheat, long drought, spring planting, milk yield, sheep count, rain, quality of the soil,
    apple crop, county fair, cost of feed, boundary of the farm

# the market
role: merchant, baker, butcher, tailor, shopkeeper, customer, clerk, porter, weaver, street seller
thing: stall, shop, sack, scale, coat, hat, coin, ledger, jar, carpet, candle, mirror, shelf unit, parcel, ribbon,
    bottle, counter, sign, box, blanket, clock, price list, silver cup, leather bag
place: market square, corner shop, warehouse, town gate, covered hall, side street, fountain, bank, back room, old
    arcade
did: sold, bought, weighed, wrapped, traded, counted, displayed, ordered, returned, packed, labeled, stored, priced,
    delivered
trait: colorful, expensive, woven, round, polished, worn, golden, thin, popular, dusty
matter: price of bread, trade law, market day, rent, holiday season, shortage of flour, new tax, quality of the cloth,
    trade with the coast, number of visitors, guild rules, missing payment

# the school
role: teacher, student, head teacher, tutor, librarian, pupil, coach, caretaker, school nurse, professor
thing: desk, book, lesson, notebook, map, bell, chair, report, poster, dictionary, pencil, exam, blackboard, bag,
    timetable, window, letter, prize, puzzle, story, globe, ruler, form, drawing
place: classroom, school yard, reading room, main hall, science room, front gate, library, music room, office, dining
    hall
did: read, copied, marked, explained, shared, borrowed, prepared, finished, described, collected, corrected, studied,
    kept, praised
trait: difficult, short, useless, helpful, long, yellow, neat, famous, unfinished, clever
matter: summer exam, reading list, history course, school trip, new timetable, spelling contest, size of the class,
    homework rule, science fair, language program, school play, cost of lunch

# the hospital
role: doctor, nurse, patient, surgeon, dentist, visitor, ambulance driver, chemist, night nurse, young doctor
thing: bandage, bed, chart, medicine, first aid box, lamp, test, bottle, machine, mask, glove, form, pillow,
    wheelchair, report, pill box, clinic, cabinet, blood sample, tray, curtain, blanket, plate, record
place: clinic, east wing, waiting room, emergency room, hospital garden, pharmacy, laboratory, front desk, children's
    ward, corridor
did: examined, ordered, checked, cleaned, prepared, replaced, recorded, signed, tested, carried, labeled, requested,
    found, folded
trait: sterile, soft, white, empty, modern, delicate, urgent, warm, quiet, spare
matter: night shift, flu season, cost of care, waiting list, new treatment, visiting hour, health survey, shortage of
    beds, fever, diet plan, patient's recovery, result of the test

# the railway
role: driver, conductor, traveler, station master, engineer, passenger, track worker, guard, mechanic, ticket clerk
thing: train, ticket, suitcase, bridge, tunnel, signal, wagon, bench, platform, timetable, engine, map, seat, rail,
    lamp, whistle, brake, window, parcel, clock, coach, mail bag, door, wheel
place: railway station, north platform, old bridge, engine shed, ticket office, border crossing, long tunnel, dining
    car, junction, signal house
did: repaired, inspected, missed, stopped, boarded, loaded, checked, left, cleaned, watched, reserved, replaced,
    opened, found
trait: crowded, slow, fast, late, noisy, red, steep, narrow, comfortable, delayed
matter: morning train, delay, new line, price of a ticket, winter timetable, repair of the bridge, journey to the
    coast, snow on the track, missing luggage, speed limit, coal supply, accident report

# music
role: singer, pianist, composer, drummer, teacher, conductor, violin player, dancer, critic, choir member
thing: song, violin, piano, drum, concert, guitar, melody, record, stage, ticket, trumpet, costume, recording, chair,
    poster, flute, score, speaker, waltz, curtain, microphone, bow, program, hymn
place: concert hall, music school, small stage, practice room, church, opera house, village green, recording studio,
    front row, back stage
did: played, practiced, wrote, recorded, performed, heard, tuned, sold, announced, praised, forgot, arranged,
    repeated, admired
trait: sad, cheerful, loud, gentle, popular, slow, famous, beautiful, modern, forgotten
matter: summer festival, first performance, choir practice, winter tour, choice of songs, review in the paper, price
    of the tickets, folk dance, radio program, sound of the hall, second act, national prize

# the kitchen
role: cook, chef, waiter, guest, baker, kitchen helper, host, innkeeper, apprentice, food writer
thing: pot, oven, soup, recipe, table, plate, pan, cake, basket, kitchen knife block, pie, bowl, spoon, stew, salad,
    cup, apron, menu, sauce, pantry, tray, kettle, sandwich, onion
place: kitchen, dining room, back door, cellar, bakery, garden terrace, hotel, cold store, long table, village inn
did: prepared, cooked, served, tasted, burned, ordered, shared, washed, carried, finished, bought, praised, covered,
    tried
trait: hot, cold, sweet, sour, fresh, rich, delicious, salty, simple, steaming
matter: evening menu, price of butter, wedding meal, family recipe, holiday dinner, quality of the fruit, cooking
    contest, breakfast, number of guests, smell of the bread, food festival, new oven

# the mountains
role: guide, climber, hiker, ranger, weather watcher, hunter, mapmaker, photographer, camper, rescue worker
thing: trail, tent, rope, map, pack, cabin, boot, stove, bridge, compass, signpost, lake, ridge, glacier, cave,
    valley, campfire, camera, sled, path, flag, shelter, jacket, canyon
place: summit, base camp, mountain hut, pass, pine forest, waterfall, high meadow, frozen lake, east ridge, valley
    floor
did: climbed, crossed, marked, explored, photographed, found, reached, mapped, left, described, visited, drew, lost,
    avoided
trait: steep, frozen, rocky, wild, narrow, windy, hidden, snowy, dangerous, quiet
matter: first snow, weather report, long climb, rescue plan, fire season, height of the pass, path to the summit, bear
    warning, winter camp, melting ice, map of the valley, thunder storm

# the town hall
role: mayor, lawyer, judge, voter, council member, reporter, secretary, officer, witness, citizen
thing: law, letter, vote, report, road, petition, speech, budget, contract, document, meeting, office, statue, notice,
    newspaper, bill, plan, permit, protest, record, street light, tax form, bridge, promise
place: town hall, court house, public square, council room, city archive, police station, main road, press room, north
    district, polling place
did: signed, opposed, supported, read, delayed, published, discussed, approved, refused, wrote, announced, reviewed,
    questioned, filed
trait: public, secret, legal, official, local, careful, unpopular, brief, important, costly
matter: city budget, election, road repair, water supply, new park, housing plan, public debt, traffic rule, school
    vote, court case, bus service, noise complaint

# science
role: scientist, researcher, assistant, student, inventor, chemist, engineer, astronomer, visitor, lab worker
thing: experiment, sample, telescope, machine, lens, theory, notebook, battery, model, instrument, microscope, paper,
    chart, tube, result, wire, magnet, crystal, sensor, formula, rocket, diagram, filter, circuit
place: laboratory, observatory, workshop, research station, lecture hall, roof, test chamber, archive, basement, south
    wing
did: tested, measured, built, compared, repeated, recorded, published, designed, examined, explained, improved,
    stored, connected, described
trait: precise, complex, electric, modern, tiny, reliable, careful, early, surprising, sensitive
matter: power supply, speed of light, research grant, result of the test, summer conference, error in the data,
    temperature, new method, safety rule, patent, age of the rocks, chemical reaction

# sport
role: player, coach, runner, goalkeeper, team leader, swimmer, fan, referee, trainer, reporter
thing: match, ball, race, goal, medal, team, track, shirt, trophy, ticket, record, bench, stadium, jersey, season
    plan, training session, scoreboard, whistle, bicycle, helmet, tournament, boot, banner, locker
place: stadium, training ground, swimming pool, locker room, main field, home stand, gym, finish line, club house,
    running track
did: won, lost, watched, prepared, celebrated, missed, planned, organized, finished, remembered, started, described,
    followed, enjoyed
trait: fast, difficult, famous, close, exciting, unfair, early, professional, tired, final
matter: final score, cup match, injury, training plan, weather, national record, home game, transfer, summer league,
    penalty, half time talk, price of the season ticket

# building
role: builder, architect, carpenter, mason, painter, roofer, owner, plumber, surveyor, apprentice
thing: house, wall, roof, door, window, brick, beam, stair, plan, hammer, chimney, tower, floor board, pipe, gate,
    balcony, ladder, saw, bridge, stone, arch, kitchen, garage, tile
place: building site, workshop, courtyard, roof, main street, brick yard, old tower, cellar, timber store, south wall
did: built, painted, measured, repaired, designed, replaced, lifted, cut, inspected, finished, covered, moved,
    restored, drew
trait: wooden, tall, solid, crooked, wide, square, ancient, modern, narrow, unfinished
matter: cost of timber, building permit, repair of the roof, foundation, house sale, final inspection, height of the
    tower, shortage of bricks, heating system, winter break, color of the front door, design

# the garden
role: gardener, botanist, visitor, flower seller, park keeper, volunteer, neighbor, beekeeper, painter, landscape
    designer
thing: rose, tree, pond, hedge, bench, seed, path, greenhouse, flower bed, spade, lawn, basket, bird house, shrub,
    fountain, vine, pot, tulip, wheelbarrow, apple tree, root, branch, herb, garden gate
place: botanical garden, rose garden, greenhouse, park, south terrace, vegetable patch, pond, old wall, tea house,
    flower market
did: planted, watered, cut, moved, admired, drew, grew, trimmed, covered, dug up, bought, named, protected, saved
trait: green, wild, tall, rare, red, yellow, fragrant, delicate, shady, healthy
matter: first frost, spring planting, flower show, dry summer, water rule, color of the roses, compost, bird count,
    garden plan, price of seeds, evening light, insect problem

# books
role: writer, editor, printer, reader, poet, publisher, librarian, translator, bookseller, critic
thing: novel, poem, letter, page, book, library card, chapter, diary, cover, magazine, typewriter, shelf mark, essay,
    story, manuscript, newspaper, title, printing press, review, draft, desk, library, dictionary, fable
place: library, reading room, book shop, print shop, archive, cafe, writing desk, publishing house, attic, lecture
    hall
did: wrote, read, printed, translated, edited, published, reviewed, borrowed, sold, finished, collected, praised,
    discovered, hid
trait: famous, short, unfinished, printed, forgotten, funny, serious, handwritten, popular, witty
matter: book prize, last chapter, printing cost, reading tour, first edition, library fund, choice of title, poetry
    evening, price of paper, spring catalog, missing page, meaning of the story

# the theater
role: actor, director, stage hand, dancer, ticket seller, costume maker, writer, producer, musician, lighting engineer
thing: play, mask, costume, scene, curtain, ticket, lamp, script, wig, stage, film, camera, poster, rehearsal, puppet,
    role, speech, backdrop, show, mirror, dressing room, seat, song, review
place: theater, main stage, dressing room, film studio, ticket booth, balcony, rehearsal room, cinema, back row, stage
    door
did: performed, watched, designed, rehearsed, directed, wrote, changed, painted, cut, praised, sewed, planned, forgot,
    filmed
trait: funny, tragic, dramatic, silent, colorful, famous, strange, popular, modern, dusty
matter: opening night, second act, ticket price, winter show, choice of actors, review in the paper, lighting plan,
    summer tour, final scene, theater license, length of the play, color of the set
"""


def word_list(text: str) -> tuple[str, ...]:
    """The entries of a comma-separated text."""
    return tuple(" ".join(entry.split()) for entry in text.split(","))


def _topic(block: str) -> Words:
    fields = dict(re.findall(r"^(\w+): (.+(?:\n    .+)*)", block, re.MULTILINE))
    words = {slot: word_list(text) for slot, text in fields.items()}
    return {
        **words,
        "roles": tuple(map(_plural, words["role"])),
        "things": tuple(map(_plural, words["thing"])),
        "place": tuple("the " + entry for entry in words["place"]),
        "matter": tuple("the " + entry for entry in words["matter"]),
        "done": tuple(_PARTICIPLES.get(verb, verb) for verb in words["did"]),
        "trait": words["trait"] + word_list(_TRAITS),
    }


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


TOPICS: tuple[Words, ...] = tuple(_topic(block) for block in _TOPICS.strip().split("\n\n"))
