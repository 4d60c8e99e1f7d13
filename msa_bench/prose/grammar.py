"""How the prose is said: names, the words all topics share, and the patterns sentences are made of.

A slot such as `{thing}` is filled with one of its words; a word may hold slots of its own, filled in turn. The slots
`who`, `whom`, `other`, `their`, `town` and `item` belong to the paragraph and are filled by its writer.
"""

from __future__ import annotations

from msa_bench.prose.topics import Words, word_list

_TOWN_STARTS = word_list(
    "Ash, Black, Bridge, Brook, Cliff, Cold, Cross, East, Elm, Fair, Glen, Gold, Green, Hart, Hazel, High, Kings, "
    "Lake, Long, Maple, Marsh, Mill, New, North, Oak, Queens, Red, River, Rock, Silver, South, Spring, Stone, Summer, "
    "Swan, West, White, Wild, Winter, Wolf"
)
_TOWN_ENDS = word_list(
    "borough, bridge, bury, dale, den, field, ford, gate, ham, haven, hill, land, ley, mere, mont, mouth, port, side, "
    "stead, ton, view, ville, wick, wood, worth"
)

NAMES: Words = {
    "woman": word_list(
        "Mary, Anna, Emma, Alice, Clara, Ruth, Helen, Laura, Julia, Sarah, Jane, Rose, Lucy, Grace, Martha, Ellen, "
        "Nora, Ida, Edith, Irene, Maria, Sofia, Elena, Rosa, Eva, Ingrid, Fatima, Leila, Mei, Priya, Hannah, Rachel, "
        "Susan, Linda, Karen, Diana, Agnes, Louise, Margaret, Catherine"
    ),
    "man": word_list(
        "John, James, Robert, Thomas, Henry, George, William, Charles, Peter, Paul, Frank, Walter, Arthur, Albert, "
        "Samuel, Daniel, David, Joseph, Edward, Hugh, Marco, Carlos, Diego, Ivan, Omar, Hassan, Ravi, Kenji, Stefan, "
        "Martin, Simon, Philip, Oliver, Jack, Adam, Leo, Victor, Anton, Ernest, Patrick"
    ),
    "surname": word_list(
        "Smith, Brown, Taylor, Wilson, Clark, Lewis, Walker, Hall, Young, King, Wright, Hill, Green, Baker, Adams, "
        "Nelson, Carter, Mitchell, Roberts, Turner, Phillips, Campbell, Parker, Evans, Edwards, Collins, Stewart, "
        "Morris, Rogers, Reed, Cook, Morgan, Bell, Murphy, Bailey, Cooper, Richardson, Cox, Howard, Ward, Peterson, "
        "Gray, Watson, Brooks, Kelly, Sanders, Price, Bennett, Wood, Barnes, Ross, Henderson, Coleman, Jenkins, "
        "Perry, Powell, Long, Patterson, Hughes, Flores, Butler, Simmons, Foster, Bryant, Russell, Griffin, Hayes, "
        "Garcia, Martinez, Silva, Santos, Moreno, Rossi, Weber, Keller, Larsen, Hansen, Novak, Kumar, Singh, Tanaka, "
        "Ito, Chen, Wang, Park, Haddad, Farah, Okafor, Mensah, Diallo"
    ),
    "town": tuple(first + last for first in _TOWN_STARTS for last in _TOWN_ENDS),
}

SHARED: Words = {
    "season": word_list("spring, summer, autumn, winter"),
    "month": word_list(
        "January, February, March, April, May, June, July, August, September, October, November, December"
    ),
    "weekday": word_list("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"),
    "year": tuple(str(year) for year in range(1850, 2020)),
    "number": word_list(
        "two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, fifteen, twenty, thirty, forty, fifty, "
        "several, a dozen"
    ),
    "period": word_list("days, weeks, months, years, hours, evenings, mornings"),
    "when": (
        "in the {season} of {year}",
        "on a {weekday} in {month}",
        "in {month} {year}",
        "{number} {period} later",
        "early one {weekday} morning",
        "late one {weekday} evening",
        "before the end of {month}",
        "after {number} {period}",
        "during the {season}",
        "on the first {weekday} of {month}",
        "at the end of {year}",
        "one {season} afternoon",
        "toward the middle of {month}",
        "for {number} {period}",
        "when the {season} came",
        "around noon on {weekday}",
    ),
    "how": word_list(
        "quietly, slowly, carefully, quickly, gladly, calmly, proudly, politely, secretly, patiently, bravely, "
        "happily, simply, suddenly, at once, with great care, without a word, as usual, in a hurry, with a smile, "
        "for a small fee, out of habit, by hand, in silence, with some help, against all advice"
    ),
    "mood": word_list(
        "glad, tired, proud, sure, angry, curious, worried, pleased, surprised, hopeful, nervous, sorry, bored, "
        "grateful, silent, patient, ready, certain, lonely, busy"
    ),
    "said": word_list(
        "said, believed, hoped, explained, insisted, remembered, feared, knew, guessed, heard, admitted, repeated, "
        "promised, noticed, learned, suspected, argued, thought, claimed, told everyone"
    ),
    "talked": word_list(
        "talked about, argued over, asked about, worried about, joked about, wrote about, complained about, "
        "forgot about, thought about, heard about, learned about, laughed about, voted on, agreed on"
    ),
    "link": word_list(
        "Later, Even so, After that, For this reason, In the meantime, Still, Of course, In fact, At first, "
        "In the end, As a result, Once again, To be fair, By then, Not long after, On the other hand"
    ),
    "where": (
        "near {place}",
        "behind {place}",
        "beside {place}",
        "close to {place}",
        "next to {place}",
        "not far from {place}",
        "on the way to {place}",
        "across from {place}",
        "at {place}",
        "in front of {place}",
    ),
    "kin": word_list(
        "brother, sister, uncle, aunt, cousin, mother, father, grandmother, grandfather, daughter, son, friend, "
        "nephew, niece, neighbor, partner"
    ),
    "claim": (
        "the {trait} {thing} was too {trait} for {number} {roles}",
        "{matter} would change before {month} {year}",
        "nobody in {town} had seen a {trait} {thing} since {year}",
        "the {role} {where} had {done} the {trait} {thing}",
        "a {trait} {thing} was worth more than {number} {things}",
        "{matter} would be settled within {number} {period}",
        "{number} {things} had been left {where}",
        "the {roles} of {town} cared more about {matter} than about {matter}",
        "the {role} had already {done} {number} {trait} {things}",
        "every {thing} {where} belonged to the {role}",
    ),
    "reason": (
        "because the {role} was {mood}",
        "because of {matter}",
        "although the {thing} was {trait}",
        "while the {roles} waited {where}",
        "so that {number} {roles} could see the {trait} {thing}",
        "since nobody else had {done} the {thing}",
        "until the {role} from {town} came back",
        "even though {matter} was still not settled",
        "before anyone could ask about {matter}",
        "as {their} {kin} had done in {year}",
    ),
}

OPENINGS: tuple[str, ...] = (
    "{when}, {who} came to {town} as a {role} and soon {did} the {trait} {item} {where}",
    "{who} was a {role} in {town}, where {matter} had been on every mind since {month} {year}",
    "{when}, the {roles} of {town} {talked} {matter} and the {trait} {item} that {who} had {done}",
    "everyone in {town} knew {who}, the {role} who {did} {number} {trait} {things} {where}",
    "the {trait} {item} of {town} stood {where}, and {who} {did} it {when}",
    "{who} and {other} first met {where} in {town}, {when}, when both {talked} {matter}",
    "few {roles} in {town} had {done} as many {trait} {things} as {who}, who kept a {trait} {item} {where}",
    "the story of the {trait} {item} began {when}, when {who} left {town} with {number} {things}",
)

BODY: tuple[str, ...] = (
    "{when}, {who} {did} the {trait} {thing} {where}, {reason}",
    "{who} {said} that {claim}, and {other} agreed {how}",
    "the {role} {did} {number} {trait} {things} {how}, but {who} wanted the {item} instead",
    "{when} {who} {talked} {matter} with the {roles} {where}",
    "{other}, {their} {kin}, {said} that {claim}",
    "there were {number} {trait} {things} {where}, and {who} {did} each of them {how}",
    "{when}, {who} felt {mood} about {matter}, {reason}",
    "with the {item} {where}, {who} had more time for {matter} and the {trait} {thing}",
    "the {trait} {thing} {where} was {trait}, so the {role} {did} another one {when}",
    "{who} asked the {role} {where} whether {claim}",
    "a letter from {town} said that {claim}, which made {whom} {mood}",
    "some {roles} {talked} {matter}; others {did} the {trait} {things} {where}",
    "{who} gave {other} a {trait} {thing}, {number} {things} and some advice about {matter}",
    "{when}, a {trait} {thing} arrived from {town}, and the {role} {did} it {how}",
    "neither the {role} nor {who} was {mood} when {matter} came up {where} {when}",
    "the {item} had been {trait} for years, but {who} {did} it {how} {when}",
    "{who} walked past {place} every {weekday} and counted the {trait} {things} {where}",
    "{other} {said} that {claim}, {reason}",
    "{when}, {matter} was more important to {whom} than any {trait} {thing}",
    "{number} {roles} from {town} stayed {where} and {did} the {trait} {thing} {how}",
    "the {role} kept a {trait} {thing} {where}, next to the {item} that {who} had once {done}",
    "{who} never {did} a {trait} {thing} {where} without first asking {their} {kin} about {matter}",
    "if the {trait} {thing} was lost, {who} {said}, the {roles} {where} would look for it {when}",
    "people from {town} came {when} to see the {trait} {item} and the {number} {things} {where}",
    "{who} found the {trait} {thing} {where} and showed it to a {mood} {role} from {town}",
    "by {month} the {roles} had {done} {number} {things}, and {matter} was nearly forgotten",
    "{who} and {other} {did} the {trait} {thing} together {when}, {reason}",
    "what {who} liked best was the {trait} {thing} {where}, which {their} {kin} had {done} in {year}",
    "the {kin} of the {role} {did} a {trait} {thing} and left it {where} {when}",
    "{when}, a {mood} {role} told {other} that {claim}",
    "half of the {things} {where} were {trait}, and the rest were {trait}, {reason}",
    "{who} paid the {role} for {number} {trait} {things} and took them to {place} {when}",
    "after a long talk about {matter}, {who} {did} the {item} {how} and went back to {place}",
    "{when}, {other} brought a {trait} {thing} to {place}, where {who} was already waiting",
    "the {roles} {where} were {mood}, for {matter} had cost them {number} {trait} {things}",
    "nobody {said} that {claim}, yet {who} was {mood} {when}",
    "{who} remembered {town}, its {trait} {things} and the {role} who had {done} them {how}",
    "first {who} {did} the {trait} {thing}, then the {role} {did} the {item}, {reason}",
    "most {roles} would have sold the {trait} {thing}, but {who} {did} it {when}",
    "{matter} and {matter} kept {other} {mood} {when}",
    "it was the {role} from {town} who {did} the {trait} {things} {where}, not {other}",
    "{who} made a list of {number} {things}, and the {trait} {thing} {where} was the last of them",
)
