"""The page: all streams with their pictures, figures and last events. It loads nothing from anywhere else.

It travels as Python because only that goes to boards. One request brings it all pictures: browsers open six connections
to a place at most, and a board may have more cameras than that. What comes from the board goes in as text, never as
markup, and the policy lets nothing run but this script.
"""

from __future__ import annotations

import base64
import hashlib

_STYLE = """
:root { color-scheme: dark; --ground: #14171b; --card: #1e2329; --edge: #2d343c; --word: #e8eaed; --soft: #9aa4af;
  --live: #6edc6e; --warn: #ffb454; --bad: #ff6b6b; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--word); font: 15px/1.45 system-ui, sans-serif; }
header { display: flex; align-items: baseline; gap: .8em; padding: .8em 1.2em; border-bottom: 1px solid var(--edge); }
h1 { margin: 0; font-size: 1.15em; font-weight: 600; }
header span { color: var(--soft); }
#link { margin-left: auto; }
main { display: grid; grid-template-columns: minmax(0, 1fr) 20em; gap: 1.2em; padding: 1.2em; }
#streams { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24em, 100%), 1fr)); gap: 1.2em;
  align-content: start; align-items: start; }
.card { margin: 0; background: var(--card); border: 1px solid var(--edge); border-radius: 8px; overflow: hidden; }
.card canvas { display: block; width: 100%; background: #000; cursor: zoom-in; }
.card.large { grid-column: 1 / -1; }
.card.large canvas { cursor: zoom-out; }
figcaption { padding: .6em .9em .8em; }
.top { display: flex; align-items: center; gap: .6em; }
.name { font-weight: 600; }
.state { padding: 0 .55em; border-radius: 1em; font-size: .85em; color: #14171b; background: var(--warn); }
.state.live { background: var(--live); }
.state.down, .state.failed { background: var(--bad); }
.state.ended { background: var(--soft); }
.figures { margin-left: auto; color: var(--soft); font-variant-numeric: tabular-nums; }
.why { color: var(--warn); overflow-wrap: anywhere; }
.counts { display: flex; flex-wrap: wrap; gap: .4em; margin-top: .5em; }
.counts:empty, .why:empty { display: none; }
.counts span { padding: 0 .5em; border: 1px solid var(--edge); border-radius: 4px; font-size: .9em; }
.counts b { font-variant-numeric: tabular-nums; }
aside { background: var(--card); border: 1px solid var(--edge); border-radius: 8px; padding: .6em .9em;
  align-self: start; }
h2 { margin: 0 0 .4em; font-size: 1em; font-weight: 600; }
ol { list-style: none; margin: 0; padding: 0; max-height: 75vh; overflow: auto; }
li { padding: .3em 0; border-top: 1px solid var(--edge); }
li time { color: var(--soft); font-variant-numeric: tabular-nums; margin-right: .5em; }
li span { color: var(--soft); }
.none { color: var(--soft); }
@media (max-width: 60em) { main { grid-template-columns: minmax(0, 1fr); } }
"""

_SCRIPT = """
'use strict';
const cards = new Map();
const byId = (id) => document.getElementById(id);
function make(kind, name, parent) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  if (parent) parent.append(made);
  return made;
}
function card(name) {
  if (!cards.has(name)) {
    const box = make('figure', 'card', byId('streams'));
    const canvas = make('canvas', '', box);
    canvas.width = 640;
    canvas.height = 360;
    canvas.onclick = () => box.classList.toggle('large');
    const words = make('figcaption', '', box);
    const top = make('div', 'top', words);
    make('span', 'name', top).textContent = name;
    cards.set(name, { canvas, next: null, state: make('span', 'state', top), figures: make('span', 'figures', top),
      why: make('div', 'why', words), counts: make('div', 'counts', words) });
  }
  return cards.get(name);
}
async function picture(name, bytes) {
  const shown = card(name), busy = shown.next !== null;
  shown.next = bytes;
  if (busy) return;
  for (let data = null; data !== shown.next;) {
    data = shown.next;
    const bitmap = await createImageBitmap(new Blob([data], { type: 'image/jpeg' })).catch(() => null);
    if (!bitmap) continue;
    if (shown.canvas.width !== bitmap.width) shown.canvas.width = bitmap.width;
    if (shown.canvas.height !== bitmap.height) shown.canvas.height = bitmap.height;
    shown.canvas.getContext('2d').drawImage(bitmap, 0, 0);
    bitmap.close();
  }
  shown.next = null;
}
function counted(parent, counts) {
  parent.replaceChildren(...Object.entries(counts).sort().map(([name, count]) => {
    const one = make('span');
    one.textContent = name + ' ';
    make('b', '', one).textContent = count;
    return one;
  }));
}
function told(event) {
  const row = make('li');
  make('time', '', row).textContent = new Date(event.at_s * 1000).toISOString().slice(11, 19);
  const lasted = event.kind === 'crossed' || event.kind === 'entered' ? '' : ` after ${event.seconds.toFixed(1)} s`;
  const what = event.kind === 'stayed' ? 'stays in' : event.kind;
  row.append([event.label, what, event.place, event.direction].filter(Boolean).join(' ') + lasted + ' ');
  make('span', '', row).textContent = `${event.stream} #${event.track}`;
  return row;
}
function state(now) {
  document.title = now.application + ' preview';
  byId('application').textContent = now.application;
  byId('version').textContent = now.version;
  for (const stream of now.streams) {
    const shown = card(stream.name);
    const lasts = stream.state === 'live' ? '' : ` for ${Math.round(stream.since_s)} s`;
    shown.state.className = 'state ' + stream.state;
    shown.state.textContent = stream.state + lasts;
    const wanted = stream.wanted_fps ? ` of ${stream.wanted_fps}` : '';
    shown.figures.textContent = stream.state !== 'live' ? '' :
      `${stream.fps.toFixed(1)}${wanted} fps, ${stream.p50_ms} ms (p99 ${stream.p99_ms})`;
    shown.why.textContent = stream.state === 'live' ? '' : stream.message;
    counted(shown.counts, stream.counts);
  }
  const rows = now.events.map(told);
  byId('events').replaceChildren(...rows);
  byId('none').hidden = rows.length > 0;
}
class Parts {
  constructor() { this.bytes = new Uint8Array(0); }
  add(piece) {
    const joined = new Uint8Array(this.bytes.length + piece.length);
    joined.set(this.bytes);
    joined.set(piece, this.bytes.length);
    this.bytes = joined;
  }
  next() {
    const head = new TextDecoder('latin1').decode(this.bytes.subarray(0, 1000));
    const end = head.indexOf('\\r\\n\\r\\n');
    if (end < 0) return null;
    const size = Number((/Content-Length: (\\d+)/.exec(head.slice(0, end)) || [])[1]);
    if (!(size <= 1e7)) { this.bytes = this.bytes.slice(end + 4); return this.next(); }
    if (this.bytes.length < end + 4 + size) return null;
    const body = this.bytes.slice(end + 4, end + 4 + size);
    this.bytes = this.bytes.slice(end + 4 + size);
    return { stream: (/X-Stream: ([^\\r]+)/.exec(head.slice(0, end)) || [])[1], body };
  }
}
async function look() {
  const answer = await fetch('live' + location.search, { cache: 'no-store' });
  if (!answer.ok) throw new Error((await answer.text()).trim());
  const reader = answer.body.getReader(), parts = new Parts();
  byId('link').textContent = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error('the board hung up');
    parts.add(value);
    for (let part = parts.next(); part; part = parts.next()) {
      if (part.stream) picture(part.stream, part.body);
      else state(JSON.parse(new TextDecoder().decode(part.body)));
    }
  }
}
async function run() {
  for (;;) {
    try { await look(); } catch (error) { byId('link').textContent = `not connected: ${error.message}`; }
    await new Promise((done) => setTimeout(done, 2000));
  }
}
run();
"""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; script-src {_hash(_SCRIPT)}; style-src {_hash(_STYLE)}; "
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Source: Content Security Policy Level 3: a script is known by its digest."""

PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>preview</title>
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
</head>
<body>
<header><h1 id="application"></h1><span id="version"></span><span id="link">connecting ...</span></header>
<main>
<div id="streams"></div>
<aside><h2>Last events</h2><ol id="events"></ol><div id="none" class="none">none yet</div></aside>
</main>
<script>{_SCRIPT}</script>
</body>
</html>
"""
