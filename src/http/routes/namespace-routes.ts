/** Namespaces of agents: which there are, and what each is told to do. */
import { createRoute, z } from "@hono/zod-openapi";
import { LIMITS } from "../../domain/limits.ts";
import { toWire } from "../../domain/wire.ts";
import { settingsForm } from "../../memory/settings-form.ts";
import type { NamespaceService, NamespaceView } from "../../service/layers/namespace-service.ts";
import { chainParam } from "../fields.ts";
import { jsonBody } from "../json-body.ts";
import {
	namespaceAnswer,
	namespaceParam,
	namespacesAnswer,
	namespacesQuery,
	settingsBody,
} from "../namespace-schema.ts";
import type { Bound, OpenApiApp } from "../openapi-app.ts";
import { answer, OF_BODY, OF_CHAIN, problems } from "../responses.ts";

const params = z.object({ chain: chainParam, namespace: namespaceParam });

const listRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/namespaces",
	tags: ["namespaces"],
	summary: "Namespaces in which something was ever written, or that have settings",
	request: { params: z.object({ chain: chainParam }), query: namespacesQuery },
	responses: {
		200: answer("One page, by name.", namespacesAnswer),
		...problems(...OF_CHAIN, "cursor_invalid"),
	},
});

const showRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/namespaces/{namespace}",
	tags: ["namespaces"],
	summary: "What a namespace is told to do",
	request: { params },
	responses: { 200: answer("Its settings.", namespaceAnswer), ...problems(...OF_CHAIN) },
});

const setRoute = createRoute({
	method: "put",
	path: "/v1/chains/{chain}/namespaces/{namespace}",
	tags: ["namespaces"],
	summary: "Tell a namespace what to do",
	description: `For what is written from now on; other processes know of it within ${LIMITS.settingsStalenessMs} ms. What was written before stays as it is. Every problem of the schemas is listed.`,
	middleware: jsonBody,
	request: {
		params,
		body: { required: true, content: { "application/json": { schema: settingsBody } } },
	},
	responses: {
		200: answer("Registered.", namespaceAnswer),
		...problems(...OF_CHAIN, ...OF_BODY, "handler_owned"),
	},
});

export function addNamespaceRoutes(app: OpenApiApp, service: Bound<NamespaceService>): void {
	app.openapi(listRoute, async (context) => {
		const { limit, cursor, counts } = context.req.valid("query");
		const { chain } = context.req.valid("param");
		const page = await service(context).namespaces(chain, { limit, cursor, counts });
		return context.json(toWire(page), 200);
	});
	app.openapi(showRoute, async (context) => {
		const { chain, namespace } = context.req.valid("param");
		return context.json(bodyOf(await service(context).namespace(chain, namespace)), 200);
	});
	app.openapi(setRoute, async (context) => {
		const { chain, namespace } = context.req.valid("param");
		const settings = context.req.valid("json");
		const set = await service(context).setNamespace(chain, namespace, settings);
		return context.json(bodyOf(set), 200);
	});
}

/** Settings are shown as they are sent; what is not set is left out. */
function bodyOf({ settings, ...view }: NamespaceView) {
	return { ...toWire(view), settings: settingsForm.parse(toWire(settings)) };
}
