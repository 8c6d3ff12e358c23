// Renders openapi.json: every endpoint with its schemas and a form to try it.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
let api;

// An element from a tag, attributes and children; text is never read as HTML.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// Prose with `code` in it.
const prose = (text = "") => text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));

const nameOf = (reference) => reference.split("/").pop();
const resolve = (reference) =>
  reference.replace(/^#\//, "").split("/").reduce((at, step) => at[step], api);

function kindOf(schema) {
  if (schema.$ref) return nameOf(schema.$ref);
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.anyOf) return [...new Set(schema.anyOf.map(kindOf))].join(" | ");
  if (schema.type === "array") return `list of ${schema.items ? kindOf(schema.items) : "anything"}`;
  return schema.type ? [schema.type].flat().join(" | ") : "anything";
}

function notesOf(schema) {
  const notes = [schema.description, schema.deprecated && "Deprecated.", schema.writeOnly && "Secret."];
  const facts = { minimum: "at least", maximum: "at most", maxLength: "longest", format: "format", default: "default" };
  for (const [key, words] of Object.entries(facts))
    if (key in schema) notes.push(`${words} ${JSON.stringify(schema[key])}`);
  if (schema.examples) notes.push(`such as ${schema.examples.map((one) => JSON.stringify(one)).join(", ")}`);
  return notes.filter(Boolean).join(" · ");
}

// A schema as a list of its keys; references open on demand, so that cycles do no harm.
function describe(schema) {
  if (schema.$ref) return reference(schema.$ref);
  const parts = [];
  for (const [name, part] of Object.entries(schema.properties ?? {})) {
    const needed = (schema.required ?? []).includes(name) ? "" : "optional, ";
    parts.push(make("li", {}, make("code", {}, name), ` ${needed}${kindOf(part)} `,
      make("span", { class: "soft" }, ...prose(notesOf(part))), below(part)));
  }
  const choices = (schema.anyOf ?? []).filter((choice) => choice.$ref || choice.properties);
  for (const choice of choices)
    parts.push(make("li", {}, "either ", make("em", {}, ...prose(choice.description)), describe(choice)));
  const inner = schema.items ?? (schema.additionalProperties || undefined);
  if (inner && typeof inner === "object") parts.push(make("li", {}, `each ${kindOf(inner)}`, below(inner)));
  return parts.length ? make("ul", {}, ...parts) : make("span", {}, kindOf(schema));
}

function below(schema) {
  const deep = schema.$ref || schema.properties || schema.items?.$ref || schema.items?.properties ||
    schema.additionalProperties?.$ref || schema.anyOf?.some((choice) => choice.$ref || choice.properties);
  return deep ? describe(schema) : null;
}

function reference(path) {
  const details = make("details", {}, make("summary", {}, nameOf(path)));
  const open = () => details.append(make("p", {}, ...prose(notesOf(resolve(path)))), describe(resolve(path)));
  details.addEventListener("toggle", open, { once: true });
  return details;
}

// An example of a body: what is required, with examples, defaults or something of the type.
function sample(schema) {
  if (schema.$ref) return sample(resolve(schema.$ref));
  if (schema.examples) return schema.examples[0];
  if ("default" in schema) return schema.default;
  if ("const" in schema) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.properties) {
    const wanted = schema.required ?? [];
    return Object.fromEntries(wanted.map((name) => [name, sample(schema.properties[name] ?? {})]));
  }
  if (schema.anyOf) return sample(schema.anyOf[0]);
  return { object: {}, array: [], boolean: false, integer: 0, number: 0, null: null }[[schema.type].flat()[0]] ?? "";
}

// The submission of each workflow, to choose from.
function samples(schema) {
  const whole = schema.$ref ? resolve(schema.$ref) : schema;
  const tied = schema.$ref && nameOf(schema.$ref) === "Submission" ? resolve(whole.$ref).anyOf : [];
  const bodies = tied.slice(0, -1).map((choice) => [choice.description, {
    job: { workflow: choice.description }, parameters: sample(choice.properties.parameters),
  }]);
  bodies.sort(([one], [other]) => (other === "noop") - (one === "noop"));  // one that needs nothing
  return bodies.length ? bodies : [["", sample(schema)]];
}

function bodyForm(schema) {
  const text = make("textarea", { name: "body", spellcheck: "false", "aria-label": "body" });
  const bodies = samples(schema);
  const show = (index) => { text.value = JSON.stringify(bodies[index][1], null, 2); };
  show(0);
  const choice = make("select", { "aria-label": "workflow", onchange: (event) => show(event.target.value) },
    ...bodies.map(([name], index) => make("option", { value: index }, name)));
  return make("div", {}, bodies.length > 1 ? choice : null, text);
}

function tryForm(method, path, operation) {
  const parameters = operation.parameters ?? [];
  const schema = operation.requestBody?.content["application/json"].schema;
  const output = make("pre", { hidden: "", "aria-live": "polite" });
  const rows = parameters.map((parameter) => make("tr", {},
    make("th", {}, make("code", {}, parameter.name), make("br"), make("span", { class: "soft" }, parameter.in)),
    make("td", {}, make("input", { name: `${parameter.in}:${parameter.name}`, required: parameter.required && "",
      "aria-label": parameter.name })),
    make("td", {}, ...prose(parameter.description), " ", make("span", { class: "soft" },
      ...prose([kindOf(parameter.schema), notesOf(parameter.schema)].filter(Boolean).join(" · "))))));
  const send = async (event) => {
    event.preventDefault();
    output.hidden = false;
    output.textContent = "…";
    try { output.textContent = await call(method, path, new FormData(event.target)); }
    catch (error) { output.textContent = `No answer: ${error.message}`; }
  };
  return make("form", { onsubmit: send }, rows.length ? make("table", {}, ...rows) : null,
    schema ? bodyForm(schema) : null, make("button", {}, "Send"), output);
}

async function call(method, path, fields) {
  const headers = {};
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(document.getElementById("credentials")))
    if (value) headers[name] = value;
  for (const [field, value] of fields) {
    const [place, name] = field.split(/:(.*)/);
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (place === "header" && value) headers[name] = value;
    else if (place === "query" && value) query.append(name, value);
  }
  const body = fields.get("body") ?? undefined;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const address = `.${path}${query.size ? `?${query}` : ""}`;
  const answer = await fetch(address, { method: method.toUpperCase(), headers, body, credentials: "omit" });
  return `${answer.status} ${answer.statusText}\n\n${pretty(await answer.text())}`;
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function endpoint([method, path, operation], ...others) {
  const closed = operation.security?.length ? "Needs credentials." : "Needs no credentials.";
  const answers = Object.entries(operation.responses).map(([status, answer]) => make("li", {},
    make("code", {}, status), " ", ...prose(answer.description), " ",
    ...Object.entries(answer.content ?? {}).map(([media, { schema }]) =>
      media === "application/json" ? describe(schema) : make("span", { class: "soft" }, media))));
  const body = operation.requestBody?.content["application/json"].schema;
  const details = make("details", { id: operation.operationId }, make("summary", {},
    make("span", { class: `method ${method}` }, method.toUpperCase()), make("code", {}, path), operation.summary));
  details.addEventListener("toggle", () => details.append(
    make("p", {}, ...prose([operation.description, closed, also(others)].filter(Boolean).join(" "))),
    make("h3", {}, "Try it"), tryForm(method, path, operation),
    ...(body ? [make("h3", {}, "Body"), describe(body)] : []),
    make("h3", {}, "Answers"), make("ul", {}, ...answers)), { once: true });
  return details;
}

const also = (others) => others.length &&
  `Also as ${others.map(([method, path]) => `\`${method.toUpperCase()} ${path}\``).join(", ")}.`;

// The operations by tag; those that are the same call by several names are together.
function grouped() {
  const tags = {};
  for (const [path, item] of Object.entries(api.paths))
    for (const method of METHODS.filter((one) => item[one])) {
      const calls = tags[item[method].tags[0]] ??= {};
      (calls[item[method].summary] ??= []).push([method, path, item[method]]);
    }
  return tags;
}

function show() {
  const main = document.getElementById("endpoints");
  const tags = Object.entries(grouped()).map(([tag, calls]) =>
    [tag, Object.values(calls).map((same) => endpoint(...same))]);
  document.getElementById("version").textContent = api.info.version;
  document.getElementById("contents").append(
    ...tags.map(([tag]) => make("a", { href: `#${tag}` }, tag)), make("a", { href: "openapi.json" }, "openapi.json"));
  main.replaceChildren(make("p", {}, ...prose(api.info.description)),
    ...tags.flatMap(([tag, found]) => [make("h2", { id: tag }, tag), ...found]));
}

fetch("openapi.json")
  .then((answer) => answer.json())
  .then((found) => { api = found; show(); })
  .catch((error) => { document.getElementById("state").textContent = `openapi.json cannot be read: ${error.message}`; });
