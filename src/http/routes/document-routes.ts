/** The API's own description, and the front page. */
import { docsPage, type OpenApiDocument } from "../docs-page.ts";
import { escapeHtml, htmlPage } from "../html.ts";
import type { OpenApiApp } from "../openapi-app.ts";
import { batchSchema, operationSchema } from "../operation-schema.ts";

const DESCRIPTION = [
	"Memory for AI agents that takes back what the chain takes back.",
	"State is addressed by chain, height and generation; answers that read it carry the coordinate that they used in `at`.",
	"Heights, generations, log positions and version ids are decimal strings in answers; requests may also write them as numbers up to 2^53 - 1.",
	"Fields that have no value are left out. Dates are ISO 8601 in UTC, durations milliseconds, sizes bytes.",
	"Unknown fields are refused. Errors are problem details of RFC 9457 with a stable `code` and a `hint`; what may succeed later is `retryable` and says `Retry-After`.",
].join(" ");

/** Written once every other route is there. `withKeys`: a bearer key is asked for. */
export function openApiDocument(app: OpenApiApp, withKeys: boolean): OpenApiDocument {
	app.openAPIRegistry.register("Operation", operationSchema);
	app.openAPIRegistry.register("OperationBatch", batchSchema);
	app.openAPIRegistry.registerComponent("securitySchemes", "key", {
		type: "http",
		scheme: "bearer",
		description: "One of the API keys that the service was given.",
	});
	return app.getOpenAPI31Document({
		openapi: "3.1.0",
		info: { title: "Recant", version: "1", description: DESCRIPTION },
		servers: [{ url: "/" }],
		...(withKeys ? { security: [{ key: [] }] } : {}),
	});
}

const LINKS: readonly (readonly [path: string, what: string])[] = [
	["/docs", "the API, for people"],
	["/openapi.json", "the API, for programs"],
	["/v1/status", "where the service and each chain stand"],
	["/readyz", "whether every part is ready"],
	["/healthz", "whether the process answers"],
];

export function addDocumentRoutes(app: OpenApiApp, withKeys: boolean): void {
	let written: OpenApiDocument | undefined;
	// When it is first asked for: it takes 70 ms of a start, and most services are never asked.
	const document = () => {
		written ??= openApiDocument(app, withKeys);
		return written;
	};
	app.get("/openapi.json", (context) => context.json(document()));
	app.get("/docs", () => docsPage(document()));
	app.get("/", () => {
		const entries = LINKS.map(
			([path, what]) => `<li><a href="${path}"><code>${path}</code></a>: ${escapeHtml(what)}</li>`,
		);
		const about = "<p>Memory for AI agents that takes back what the chain takes back.</p>";
		return htmlPage("Recant", `<h1>Recant</h1>${about}<ul>${entries.join("")}</ul>`);
	});
}
