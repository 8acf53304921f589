/**
 * The OpenAPI document as a page. It is rendered here, so that it can be read in a network that
 * reaches nothing else.
 */

import { escapeHtml, htmlPage, htmlTable, inlineHtml } from "./html.ts";
import type { OpenApiApp } from "./openapi-app.ts";
import { ERROR_CODES, STATUS_OF, titleOf } from "./problem.ts";

export type OpenApiDocument = ReturnType<OpenApiApp["getOpenAPI31Document"]>;
type Schemas = NonNullable<NonNullable<OpenApiDocument["components"]>["schemas"]>;
type Schema = Schemas[string];
type PathItem = NonNullable<OpenApiDocument["paths"]>[string];
type ApiOperation = NonNullable<PathItem["get"]>;
type Parameter = NonNullable<ApiOperation["parameters"]>[number];

interface DocumentedOperation {
	readonly method: string;
	readonly path: string;
	readonly operation: ApiOperation;
}

const METHODS = ["get", "post", "put", "patch", "delete"] as const;

/** Every operation of a document, in its order. */
export function documentedOperations(document: OpenApiDocument): DocumentedOperation[] {
	return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
		METHODS.flatMap((method) => {
			const operation = item[method];
			return operation === undefined ? [] : [{ method, path, operation }];
		}),
	);
}

export function docsPage(document: OpenApiDocument): Response {
	const operations = documentedOperations(document);
	const schemas = Object.entries(document.components?.schemas ?? {});
	const sections = [
		`<h1>${escapeHtml(document.info.title)} ${escapeHtml(document.info.version)}</h1>`,
		`<p>${inlineHtml(document.info.description ?? "")}</p>`,
		`<p>For programs: <a href="/openapi.json">openapi.json</a></p>`,
		`<nav><ul>${operations.map(navEntry).join("")}</ul></nav>`,
		"<h2>Requests</h2>",
		...operations.map(operationSection),
		"<h2>Schemas</h2>",
		...schemas.map(([name, schema]) => schemaSection(name, schema)),
		'<h2 id="errors">Errors</h2>',
		"<p>Problem details of RFC 9457, <code>application/problem+json</code>.</p>",
		htmlTable(["code", "status", "meaning"], ERROR_CODES.map(errorRow)),
	];
	return htmlPage(`${document.info.title} API`, sections.join("\n"));
}

function errorRow(code: (typeof ERROR_CODES)[number]): string[] {
	return [`<code id="error-${code}">${code}</code>`, STATUS_OF[code].toString(), titleOf(code)];
}

function anchorOf({ method, path }: DocumentedOperation): string {
	return escapeHtml(`${method}-${path.replaceAll(/[^A-Za-z0-9]+/g, "-")}`);
}

function navEntry(entry: DocumentedOperation): string {
	return `<li><a href="#${anchorOf(entry)}">${entry.method.toUpperCase()} ${escapeHtml(entry.path)}</a></li>`;
}

function operationSection(entry: DocumentedOperation): string {
	const { method, path, operation } = entry;
	const parameters = (operation.parameters ?? []).map(parameterRow);
	const responses = Object.entries(operation.responses ?? {}).map(responseRow);
	return [
		`<h3 id="${anchorOf(entry)}"><span class="method">${method}</span> <code>${escapeHtml(path)}</code></h3>`,
		`<p>${inlineHtml([operation.summary, operation.description].filter(isText).join(". "))}</p>`,
		htmlTable(["parameter", "in", "type", "description"], parameters),
		bodyLine(operation),
		htmlTable(["status", "answer", "description"], responses),
	].join("\n");
}

function isText(text: string | undefined): text is string {
	return text !== undefined;
}

function parameterRow(parameter: Parameter): string[] {
	if ("$ref" in parameter) return [escapeHtml(parameter.$ref), "", "", ""];
	const { name, in: place, required, schema, description } = parameter;
	const mark = required === true ? " (required)" : "";
	const text = description ?? (schema === undefined ? undefined : descriptionOf(schema));
	return [
		`<code>${escapeHtml(name)}</code>${mark}`,
		place,
		schema === undefined ? "" : typeOf(schema),
		inlineHtml(text ?? ""),
	];
}

function bodyLine(operation: ApiOperation): string {
	const body = operation.requestBody;
	if (body === undefined || "$ref" in body) return "";
	const types = Object.entries(body.content).map(
		([mediaType, { schema }]) =>
			`<code>${escapeHtml(mediaType)}</code> ${schema === undefined ? "" : typeOf(schema)}`,
	);
	return `<p>Body: ${types.join(", ")}</p>`;
}

function responseRow([status, response]: [string, unknown]): string[] {
	if (!isResponse(response)) return [escapeHtml(status), "", ""];
	const types = Object.values(response.content ?? {}).map(({ schema }) =>
		schema === undefined ? "" : typeOf(schema),
	);
	return [escapeHtml(status), types.join(", "), inlineHtml(response.description)];
}

function isResponse(value: unknown): value is {
	readonly description: string;
	readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>;
} {
	return typeof value === "object" && value !== null && "description" in value;
}

function schemaSection(name: string, schema: Schema): string {
	const title = `<h3 id="schema-${escapeHtml(name)}"><code>${escapeHtml(name)}</code></h3>`;
	if ("$ref" in schema) return `${title}<p>${typeOf(schema)}</p>`;
	const required = new Set(schema.required ?? []);
	const rows = Object.entries(schema.properties ?? {}).map(([key, property]) => [
		`<code>${escapeHtml(key)}</code>${required.has(key) ? "" : " (optional)"}`,
		typeOf(property),
		inlineHtml(descriptionOf(property) ?? ""),
	]);
	const plain = rows.length === 0 ? `<p>${typeOf(schema)}</p>` : "";
	return [
		title,
		`<p>${inlineHtml(schema.description ?? "")}</p>`,
		plain,
		htmlTable(["field", "type", "description"], rows),
	].join("\n");
}

function descriptionOf(schema: Schema): string | undefined {
	return "$ref" in schema ? undefined : schema.description;
}

/** A type in few words, with links to named schemas. */
function typeOf(schema: Schema): string {
	if ("$ref" in schema) {
		const name = escapeHtml(schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1));
		return `<a href="#schema-${name}">${name}</a>`;
	}
	const choices = schema.oneOf ?? schema.anyOf;
	if (choices !== undefined) return choices.map(typeOf).join(" or ");
	if (schema.allOf !== undefined) return schema.allOf.map(typeOf).join(" and ");
	if (schema.enum !== undefined) return schema.enum.map((value) => code(String(value))).join(", ");
	if (schema.type === "array" && schema.items !== undefined)
		return `list of ${typeOf(schema.items)}`;
	if (schema.properties !== undefined) return fieldsOf(schema.properties);
	return escapeHtml([schema.type].flat().filter(isText).join(" or "));
}

function fieldsOf(
	properties: NonNullable<Extract<Schema, { type?: unknown }>["properties"]>,
): string {
	const fields = Object.entries(properties).map(([key, value]) => `${code(key)}: ${typeOf(value)}`);
	return `{ ${fields.join(", ")} }`;
}

function code(text: string): string {
	return `<code>${escapeHtml(text)}</code>`;
}
