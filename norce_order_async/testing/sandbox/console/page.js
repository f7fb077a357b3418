"use strict";

const MOST_NOTED = 200;
const LONG = 1000; // characters
const QUIET = 300; // milliseconds that a refresh waits, so that many changes cause one
const TIMED = ["latency", "slow", "apply-late"];

const $ = (id) => document.getElementById(id);
const closed = new Set(); // what the reader closed in the order that is open
const state = { offset: 0, place: null, whole: false, run: null, writes: false, drawn: "" };

// Whatever comes from the sandbox gets into the page here, as text.
function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const isolated = (text, kind = "") => element("bdi", { class: kind }, String(text));
const note = (text) => element("span", { class: "note" }, isolated(text));
const addressOf = (place) => "#order/" + [place.merchant, place.channel, place.id].map(encodeURIComponent).join("/");

async function get(path, query) {
  const answer = await fetch(path + "?" + new URLSearchParams(query));
  return answer.ok ? answer.json() : null;
}

// Orders

function orderRow(order) {
  const shop = note([`${order.merchant}/${order.channel}`, order.reference].filter(Boolean).join(" · "));
  return element("tr", {},
    element("td", {}, element("a", { href: addressOf(order) }, isolated(order.id)), shop),
    element("td", {}, isolated(order.status)),
    element("td", { class: "number" }, isolated(order.total)),
    element("td", { class: "number" }, isolated(order.modified.slice(0, 19).replace("T", " "))));
}

async function drawOrders() {
  const found = await get("/_console/orders", { search: $("search").value, offset: state.offset });
  if (!found) return;
  if (!found.orders.length && found.offset && found.size) {
    state.offset = Math.max(0, found.size - found.page);
    return drawOrders();
  }
  const focus = document.activeElement?.getAttribute("href");
  $("rows").replaceChildren(...found.orders.map(orderRow));
  if (focus) [...$("rows").querySelectorAll("a")].find((link) => link.getAttribute("href") === focus)?.focus();
  $("size").textContent = found.size.toLocaleString("en");
  $("nothing").hidden = found.size > 0;
  $("paging").hidden = found.size <= found.page;
  const last = found.offset + found.orders.length;
  $("range").textContent = `${found.offset + 1} to ${last} of ${found.size.toLocaleString("en")}`;
  $("back").disabled = found.offset === 0;
  $("forth").disabled = last >= found.size;
  state.page = found.page;
}

function branch(part, path) {
  const here = `${path}/${part.name}`;
  if (!part.parts) {
    const value = element("div", {}, isolated(part.text, part.text.length > LONG ? "long" : part.kind || ""));
    if (part.length) {
      const label = `Show all ${part.length.toLocaleString("en")} characters`;
      value.append(" … ", element("button", { type: "button", onclick: showAll }, label));
    }
    return element("li", { class: "leaf" }, element("span", { class: "key" }, isolated(part.name)), value);
  }
  const count = element("span", { class: "count" }, String(part.parts.length));
  const remember = (event) => closed[event.target.open ? "delete" : "add"](here);
  const box = element("details", { open: !closed.has(here), ontoggle: remember },
    element("summary", {}, isolated(part.name), count), ...branches(part.parts, here));
  return element("li", {}, box);
}

const branches = (parts, path) => [element("ul", {}, ...parts.map((part) => branch(part, path)))];

function showAll() {
  state.whole = true;
  drawOrder();
}

async function drawOrder() {
  const place = state.place;
  if (!place) return;
  const order = await get("/_console/order", { ...place, whole: state.whole ? 1 : 0 });
  if (place !== state.place) return;
  const drawn = JSON.stringify(order);
  if (drawn === state.drawn) return;
  state.drawn = drawn;
  $("order-note").hidden = order !== null && !order.cut;
  $("order-note").textContent = order ? "This order has more parts than the page shows." : "There is no such order.";
  $("parts").replaceChildren(...(order ? branches(order.parts, "") : []));
}

function openPlace() {
  if (document.querySelector(`section[id="${CSS.escape(location.hash.slice(1))}"]`)) return; // a link to a part
  const found = location.hash.match(/^#order\/([^/]*)\/([^/]*)\/(.*)$/);
  const before = state.place;
  state.place = null;
  if (found) {
    try {
      const [merchant, channel, id] = found.slice(1).map(decodeURIComponent);
      state.place = { merchant, channel, id };
    } catch { /* not an address that this page makes */ }
  }
  state.whole = false;
  state.drawn = "";
  closed.clear();
  $("list").hidden = state.place !== null;
  $("order").hidden = state.place === null;
  $("parts").replaceChildren();
  if (state.place) {
    $("order-title").replaceChildren(isolated(state.place.id));
    $("order-title").focus();
    drawOrder();
  } else if (before) {
    $("search").focus({ preventScroll: true });
  }
}

let waiting = null;
function refresh() {
  waiting ??= setTimeout(async () => {
    await Promise.allSettled([drawOrders(), drawOrder()]);
    waiting = null;
  }, QUIET);
}

// What comes in and goes out

function statusOf(one) {
  if (one.skipped) return ["skip", "maybe"];
  if (!one.status) return [one.call ? "none" : "cut", "bad"];
  return [one.status, one.status >= 500 ? "bad" : one.status >= 300 || one.fault ? "maybe" : "good"];
}

function line(one) {
  const [status, kind] = statusOf(one);
  const time = new Date(one.at * 1000).toISOString().slice(11, 19);
  const took = one.elapsed < 10 ? `${(one.elapsed * 1000).toFixed(one.elapsed < 0.01 ? 1 : 0)} ms` : `${one.elapsed.toFixed(0)} s`;
  const path = isolated(one.call ? one.target : `${one.method} ${one.target}`, "path");
  const about = one.call
    ? [one.problem]
    : [one.shop, one.body, one.fault && `fault ${one.fault}`, one.applied ? "" : "not carried out"];
  return element("li", { class: one.call ? "call new" : "new" },
    element("time", { class: "note" }, time),
    element("span", { class: `status ${kind}` }, String(status)),
    element("span", { class: "name" }, isolated(one.name)),
    element("span", { class: "note" }, took),
    element("span", { class: "about" }, path, isolated(about.filter(Boolean).join(" · "))));
}

const isPaused = () => $("pause").getAttribute("aria-pressed") === "true";

function showNoted(event) {
  const { noted, skipped } = JSON.parse(event.data);
  refresh();
  if (isPaused()) return;
  const lines = noted.map(line).reverse();
  if (skipped) lines.push(element("li", {}, note(`${skipped.toLocaleString("en")} not shown`)));
  $("noted").prepend(...lines);
  while ($("noted").childElementCount > MOST_NOTED) $("noted").lastElementChild.remove();
  $("quiet").hidden = true;
}

// Faults

async function write(method, fault) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch("/_console/faults", { method, headers, body: JSON.stringify({ fault }) });
  const problem = answer.ok ? "" : (await answer.json()).message;
  $("problem").textContent = problem;
  $("problem").hidden = !problem;
}

function faultRow({ fault, left }) {
  const off = () => write("DELETE", fault);
  const attributes = { type: "button", role: "switch", "aria-checked": "true", "aria-label": `Fault ${fault}`, onclick: off };
  return element("li", {},
    element("button", { ...attributes, disabled: !state.writes }),
    element("span", { class: "fault" }, isolated(fault)),
    note(left === null ? "" : `${left.toLocaleString("en")} left`));
}

function showFaults(event) {
  const faults = JSON.parse(event.data);
  $("on").replaceChildren(...faults.map(faultRow));
  $("no-fault").hidden = faults.length > 0;
}

function chosenFault() {
  const words = [$("kind").value];
  if (!$("value-label").hidden) words.push($("value").value.trim());
  if ($("times").value) words.push(`times=${$("times").value}`);
  if ($("share").value) words.push(`share=${$("share").value}%`);
  if ($("operation").value) words.push(`operation=${$("operation").value}`);
  return words.join(":");
}

function chooseKind() {
  const timed = TIMED.includes($("kind").value);
  $("value-label").hidden = !timed && $("kind").value !== "status";
  $("value").required = !$("value-label").hidden;
  $("value-name").textContent = timed ? "Seconds" : "Status";
  $("value").value = timed ? "1" : "503";
}

function showHello(event) {
  const { run, writes, operations } = JSON.parse(event.data);
  if (state.run !== run) $("noted").replaceChildren(); // another sandbox
  Object.assign(state, { run, writes });
  $("link").textContent = "live";
  $("link").className = "live";
  $("mode").textContent = writes ? "may switch faults" : "read-only";
  $("controls").disabled = !writes;
  $("read-only").hidden = writes;
  const named = operations.map((name) => element("option", { value: name }, name));
  $("operation").replaceChildren($("operation").options[0], ...named);
  refresh();
}

function listen() {
  const events = new EventSource("/_console/events");
  events.addEventListener("hello", showHello);
  events.addEventListener("faults", showFaults);
  events.addEventListener("noted", showNoted);
  events.addEventListener("error", () => {
    $("link").textContent = "the sandbox does not answer";
    $("link").className = "";
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  });
}

function page(step) {
  state.offset = Math.max(0, state.offset + step * state.page);
  drawOrders();
}

$("search").addEventListener("input", () => { state.offset = 0; refresh(); });
$("back").addEventListener("click", () => page(-1));
$("forth").addEventListener("click", () => page(1));
$("close").addEventListener("click", (event) => { event.preventDefault(); location.hash = ""; });
$("pause").addEventListener("click", () => $("pause").setAttribute("aria-pressed", String(!isPaused())));
$("kind").addEventListener("change", chooseKind);
$("fault").addEventListener("submit", (event) => { event.preventDefault(); write("POST", chosenFault()); });
addEventListener("hashchange", openPlace);
openPlace();
drawOrders();
listen();
