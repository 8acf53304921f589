/** API keys: making, listing and revoking them. */
import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import { toWire } from "../../domain/wire.ts";
import type { KeyService } from "../../service/keys/keys.ts";
import { countQuery, cursorQuery, uuidParam } from "../fields.ts";
import { jsonBody } from "../json-body.ts";
import { keyAnswer, keyRequest, keysAnswer, madeKeyAnswer } from "../key-schema.ts";
import type { Bound, OpenApiApp } from "../openapi-app.ts";
import { answer, OF_BODY, problems } from "../responses.ts";

const DEFAULT_PAGE = 50;

const createKeyRoute = createRoute({
	method: "post",
	path: "/v1/keys",
	tags: ["keys"],
	summary: "Make an API key",
	description: `The first one is made without a key, by a program on the service's own machine; from then on every request needs one. A process that knew nothing of it yet asks for it within ${LIMITS.keyStalenessMs} ms.`,
	middleware: jsonBody,
	request: { body: { required: true, content: { "application/json": { schema: keyRequest } } } },
	responses: {
		201: answer("Made; the secret is shown this once.", madeKeyAnswer),
		...problems(...OF_BODY, "last_key"),
	},
});

const listKeysRoute = createRoute({
	method: "get",
	path: "/v1/keys",
	tags: ["keys"],
	summary: "API keys, the newest first, revoked ones too; never a secret",
	request: {
		query: z.strictObject({
			limit: countQuery({
				limit: "pageSize",
				default: DEFAULT_PAGE,
				min: 1,
				description: `Keys on a page, 1 to ${LIMITS.pageSize}.`,
			}),
			cursor: cursorQuery.optional(),
		}),
	},
	responses: { 200: answer("One page.", keysAnswer), ...problems("cursor_invalid") },
});

const revokeKeyRoute = createRoute({
	method: "delete",
	path: "/v1/keys/{id}",
	tags: ["keys"],
	summary: "Revoke an API key",
	description: `It opens nothing any more: here at once, in other processes within ${LIMITS.keyStalenessMs} ms; event streams that it opened end within that time too.`,
	request: { params: z.object({ id: uuidParam("id", "The key's id.") }) },
	responses: {
		200: answer("Revoked.", keyAnswer),
		...problems("forbidden_origin", "key_not_found", "last_key"),
	},
});

export function addKeyRoutes(app: OpenApiApp, keys: Bound<KeyService>): void {
	app.openapi(createKeyRoute, async (context) => {
		const { name, scopes, namespaces, requestsPerMinute, expiresAt } = context.req.valid("json");
		const wanted = { name, scopes, namespaces, requestsPerMinute, expiresAt };
		const made = await keys(context).create(wanted);
		return context.json(toWire(made), 201);
	});
	app.openapi(listKeysRoute, async (context) => {
		const { limit, cursor } = context.req.valid("query");
		return context.json(toWire(await keys(context).list({ limit, cursor })), 200);
	});
	app.openapi(revokeKeyRoute, async (context) => {
		return context.json(toWire(await keys(context).revoke(context.req.valid("param").id)), 200);
	});
}
