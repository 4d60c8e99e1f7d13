"use strict";
(() => {
  const PAGE = 25, KEPT = 40;
  const byId = (id) => document.getElementById(id);

  // Tables: a click on a heading sorts by it, a second one turns the order round.
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.key;
      const rows = [...table.tBodies[0].rows];
      const numbers = rows.every((row) => key(row) !== "" && !Number.isNaN(Number(key(row))));
      const compare = numbers ? (a, b) => key(a) - key(b) : (a, b) => key(a).localeCompare(key(b), "en", { numeric: true });
      rows.sort((a, b) => (down ? compare(b, a) : compare(a, b)));
      table.tBodies[0].append(...rows);
    }));
  }

  // Samples: everything of theirs becomes text, never markup.
  const element = (tag, text, className) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const unpack = async (id) => {
    const packed = Uint8Array.from(atob(byId(id).textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };
  const kept = new Map();
  const block = (number) => {
    const known = kept.get(number) ?? unpack(`block-${number}`);
    kept.delete(number);
    kept.set(number, known);
    if (kept.size > KEPT) kept.delete(kept.keys().next().value);
    return known;
  };
  const verdictOf = (score) => score === null ? "no score" : score >= 1 ? "right" : score > 0 ? "partly" : "wrong";

  const listed = (values) => values.map(String).join("\n");
  const documents = (ids, gold) => {
    const line = element("span");
    ids.forEach((id, place) => {
      if (place) line.append(", ");
      line.append(gold.has(id) ? element("span", `${id} (gold)`, "found") : String(id));
    });
    return line;
  };
  const details = (sample, group) => {
    const list = element("dl");
    const add = (term, value) => {
      const definition = element("dd");
      definition.append(value);
      list.append(element("dt", term), definition);
    };
    const gold = new Set(sample.gold_documents ?? []);
    add("Question", sample.question);
    add("Expected", listed(sample.gold ?? []) || "nothing");
    add("Answer", sample.answer || "(empty)");
    add("Scores", Object.entries(sample.scores ?? {}).map(([name, value]) => `${name} ${Number(value.toFixed(4))}`).join(", ") || "none");
    (sample.round_documents ?? []).forEach((ids, place) => add(`Round ${place + 1}`, ids.length ? documents(ids, gold) : "no document"));
    if (sample.rounds !== undefined) add("Rounds", String(sample.rounds));
    add("Documents used", sample.documents ? documents(sample.documents, gold) : "none recorded");
    if (sample.ranking) add("First by rank", documents(sample.ranking, gold));
    if (gold.size) add("Gold documents", [...gold].join(", "));
    if (sample.depth !== undefined) add("Depth", `${(100 * sample.depth).toFixed(1)}%`);
    if (sample.tokens) add("Tokens", `${sample.tokens.in} read, ${sample.tokens.out} written`);
    if (sample.seconds !== undefined) add("Seconds", sample.seconds.toFixed(3));
    if (sample.bounds) add("Bounds hit", listed(sample.bounds));
    if (sample.notes) add("Notes", listed(sample.notes));
    add("Sample", `${sample.id}, seed ${group.seed}, repeat ${sample.repeat ?? 0}`);
    add("Run", group.run + (group.finished ? "" : " (unfinished)"));
    return list;
  };

  const form = byId("filters"), count = byId("count"), list = byId("list"), pages = byId("pages");
  let index, found = [], page = 0, turn = 0;

  const show = async () => {
    const mine = turn;
    const last = Math.max(Math.ceil(found.length / PAGE) - 1, 0);
    page = Math.min(page, last);
    const chosen = found.slice(page * PAGE, (page + 1) * PAGE);
    const rows = await Promise.all(chosen.map(async (at) => {
      const sample = (await block(Math.floor(at / index.size)))[at % index.size];
      const group = index.groups[index.group[at]], verdict = verdictOf(index.score[at]);
      const item = element("li"), open = element("details"), line = element("summary");
      const score = index.score[at] === null || verdict !== "partly" ? "" : ` ${index.score[at].toFixed(2)}`;
      line.append(
        element("span", verdict + score, `verdict ${verdict === "no score" ? "none" : verdict}`),
        element("span", [group.system, group.subtask ?? group.task, group.length].join(" · "), "what"),
        element("span", sample.question, "asked"),
      );
      open.append(line);
      open.addEventListener("toggle", () => { if (open.open && open.children.length < 2) open.append(details(sample, group)); });
      item.append(open);
      return item;
    }));
    if (mine !== turn) return;
    list.replaceChildren(...rows);
    byId("page").textContent = `Page ${(page + 1).toLocaleString("en")} of ${(last + 1).toLocaleString("en")}`;
    pages.hidden = last === 0;
    const [back, on] = pages.querySelectorAll("button");
    back.disabled = page === 0;
    on.disabled = page === last;
    document.documentElement.dataset.ready = "yes";
  };

  const filter = async () => {
    const mine = ++turn;
    const wanted = Object.fromEntries(new FormData(form));
    const fits = index.groups.map((group) => ["task", "subtask", "length", "system"].every((name) => !wanted[name] || wanted[name] === String(group[name] ?? "")));
    let next = [];
    for (let at = 0; at < index.group.length; at++) {
      if (fits[index.group[at]] && (!wanted.verdict || wanted.verdict === verdictOf(index.score[at]))) next.push(at);
    }
    const text = wanted.text.trim().toLowerCase();
    if (text) {
      const having = [];
      for (const [done, at] of next.entries()) {
        const number = Math.floor(at / index.size);
        const sample = (await block(number))[at % index.size];
        if (mine !== turn) return;
        if ([sample.question, sample.answer, sample.id].some((part) => part.toLowerCase().includes(text))) having.push(at);
        if (done % 5000 === 0) count.textContent = `Searching, ${done.toLocaleString("en")} of ${next.length.toLocaleString("en")} …`;
      }
      next = having;
    }
    found = next;
    page = 0;
    count.textContent = `${found.length.toLocaleString("en")} of ${index.group.length.toLocaleString("en")} samples`;
    await show();
  };

  const start = async () => {
    if (!("DecompressionStream" in window)) {
      count.textContent = "This browser is too old to unpack the samples; they are in the samples.jsonl of each run.";
      return;
    }
    index = await unpack("index");
    for (const name of ["task", "subtask", "length", "system"]) {
      const options = new Set(index.groups.map((group) => group[name]).filter((value) => value !== null));
      for (const value of options) {
        const option = element("option", value);
        option.value = value;
        form.querySelector(`select[name="${name}"]`).append(option);
      }
    }
    form.hidden = false;
    form.addEventListener("submit", (event) => { event.preventDefault(); filter(); });
    form.addEventListener("change", (event) => { if (event.target.name !== "text") filter(); });
    form.querySelector("input").addEventListener("search", () => filter());
    pages.addEventListener("click", (event) => {
      const step = Number(event.target.dataset.step);
      if (!step) return;
      page += step;
      turn++;
      show().then(() => byId("samples").scrollIntoView());
    });
    await filter();
  };
  // The blocks stand below this script.
  document.addEventListener("DOMContentLoaded", start);
})();
