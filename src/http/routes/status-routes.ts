/** Where the service and each chain stand. */
import { createRoute, z } from "@hono/zod-openapi";
import { toWire } from "../../domain/wire.ts";
import { chainAnswer, readinessAnswer, statusAnswer } from "../answer-schema.ts";
import { chainParam } from "../fields.ts";
import type { OpenApiApp, RouteContext } from "../openapi-app.ts";
import { answer, OF_CHAIN, problems } from "../responses.ts";

const healthRoute = createRoute({
	method: "get",
	path: "/healthz",
	tags: ["health"],
	summary: "The process answers",
	description: "Says nothing about the parts; see /readyz. Needs no API key.",
	security: [],
	responses: { 200: answer("It does.", z.object({ ok: z.literal(true) })) },
});

const readinessRoute = createRoute({
	method: "get",
	path: "/readyz",
	tags: ["health"],
	summary: "Every part is ready",
	description: "Needs no API key.",
	security: [],
	responses: {
		200: answer("Ready.", readinessAnswer),
		503: answer("Not ready; `checks` says what is missing.", readinessAnswer),
	},
});

const statusRoute = createRoute({
	method: "get",
	path: "/v1/status",
	tags: ["chains"],
	summary: "Where the service and each chain stand",
	responses: { 200: answer("The service and its chains.", statusAnswer), ...problems() },
});

const chainsRoute = createRoute({
	method: "get",
	path: "/v1/chains",
	tags: ["chains"],
	summary: "Where each chain stands",
	responses: {
		200: answer("The chains.", z.object({ items: z.array(chainAnswer) })),
		...problems(),
	},
});

const chainRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}",
	tags: ["chains"],
	summary: "Where one chain stands",
	request: { params: z.object({ chain: chainParam }) },
	responses: { 200: answer("The chain.", chainAnswer), ...problems(...OF_CHAIN) },
});

/** Those that every process answers, whatever its role, and without a key. */
export function addHealthRoutes(app: OpenApiApp, { service }: RouteContext): void {
	app.openapi(healthRoute, (context) => context.json({ ok: true as const }, 200));
	app.openapi(readinessRoute, async (context) => {
		const readiness = await service(context).readiness();
		return context.json(toWire(readiness), readiness.ready ? 200 : 503);
	});
}

export function addStatusRoutes(app: OpenApiApp, { service }: RouteContext): void {
	app.openapi(statusRoute, async (context) =>
		context.json(toWire(await service(context).status()), 200),
	);
	app.openapi(chainsRoute, async (context) => {
		const { chains } = await service(context).status();
		return context.json({ items: toWire(chains) }, 200);
	});
	app.openapi(chainRoute, async (context) => {
		const { chain } = context.req.valid("param");
		return context.json(toWire(await service(context).chain(chain)), 200);
	});
}
