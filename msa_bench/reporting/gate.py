"""What `msa-bench gate` says: plain text, JUnit XML, and the Markdown of a GitHub step summary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as Xml

WORDS = {"pass": "PASS", "regressed": "REGRESSED", "inconclusive": "INCONCLUSIVE", "error": "NOT COMPARABLE"}
_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def gate_text(result: Mapping[str, Any]) -> str:
    """The verdict and the numbers behind it, a line for each system and variant."""
    lines = [f"{WORDS[result['verdict']]}: {result['run']} against {result['reference']}"]
    for row in result["rows"]:
        lines += [f"  {row['name']}: {_sentence(row, result)}", *(f"    {line}" for line in _changes(row))]
    return "\n".join(lines + [f"  {line}" for line in _remarks(result)])


def gate_markdown(result: Mapping[str, Any]) -> str:
    """The same as a heading and a table, in GitHub's Markdown."""
    lines = [
        f"### msa-bench gate: {WORDS[result['verdict']]}",
        "",
        f"`{result['task']}`, {result['score']}, tolerance {result['tolerance_points']:g} points",
        "",
        "| system | verdict | reference | run | points | 95% interval | questions |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in result["rows"]:
        lines.append(
            f"| {row['name']} | {WORDS[row['verdict']]} | {row['reference']:.3f} | {row['run']:.3f} | "
            f"{row['difference_points']:+.1f} | {_interval(row)} | {row['n']} |"
        )
    notes = [f"- {row['name']}: {line}" for row in result["rows"] for line in (*_why(row, result), *_changes(row))]
    return "\n".join([*lines, "", *notes, *(f"- {line}" for line in _remarks(result)), ""])


def gate_junit(result: Mapping[str, Any]) -> str:
    """A test case per system and variant: a failure where it regressed, an error where nothing is decided."""
    cases = [
        (str(row["name"]), row["verdict"], _sentence(row, result), "\n".join(_changes(row))) for row in result["rows"]
    ]
    return _junit(cases, f"msa_bench.gate.{result['task']}")


def error_markdown(message: str) -> str:
    """The step summary of a gate that could not compare."""
    return f"### msa-bench gate: {WORDS['error']}\n\n{message}\n"


def error_junit(message: str) -> str:
    """The test report of a gate that could not compare: one error."""
    return _junit([("gate", "error", message, "")], "msa_bench.gate")


def _junit(cases: list[tuple[str, str, str, str]], classname: str) -> str:
    verdicts = [verdict for _, verdict, _, _ in cases]
    counts = {
        "tests": str(len(cases)),
        "failures": str(verdicts.count("regressed")),
        "errors": str(verdicts.count("inconclusive") + verdicts.count("error")),
    }
    suites = Xml.Element("testsuites", counts)
    suite = Xml.SubElement(suites, "testsuite", {"name": "msa-bench gate", **counts})
    for name, verdict, message, detail in cases:
        case = Xml.SubElement(suite, "testcase", {"classname": classname, "name": _clean(name)})
        if verdict == "pass":
            Xml.SubElement(case, "system-out").text = _clean(message)
        else:
            kind = "failure" if verdict == "regressed" else "error"
            Xml.SubElement(case, kind, {"type": verdict, "message": _clean(message)}).text = _clean(detail)
    Xml.indent(suites)
    return Xml.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _sentence(row: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    return (
        f"{WORDS[row['verdict']]}, {result['score']} {row['reference']:.3f} in the reference, {row['run']:.3f} here: "
        f"{row['difference_points']:+.1f} points [{_interval(row)}] on {row['n']} questions, tolerance "
        f"{result['tolerance_points']:g}" + "".join(f"; {line}" for line in _why(row, result))
    )


def _why(row: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[str]:
    if row["verdict"] != "inconclusive":
        return
    if row["samples_to_decide"] is None:
        yield "the difference is too close to the tolerance for any number of questions to decide"
    else:
        yield f"about {row['samples_to_decide']} questions like these would decide, there are {row['n']}"


def _changes(row: Mapping[str, Any]) -> Iterator[str]:
    for word in ("worse", "better"):
        samples = row[word]
        if samples:
            more = f" and {len(samples) - 5} more" if len(samples) > 5 else ""
            yield f"{word}: {', '.join(samples[:5])}{more}"


def _remarks(result: Mapping[str, Any]) -> Iterator[str]:
    if result["accepted"]:
        yield f"accepted as different from the reference: {', '.join(result['accepted'])}"
    yield "points: hundredths of the score's range; run minus reference on the same questions; 95% interval"


def _interval(row: Mapping[str, Any]) -> str:
    return f"{row['low_points']:+.1f} to {row['high_points']:+.1f}"


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return _NO_XML.sub("?", text)
