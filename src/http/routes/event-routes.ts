/** The event stream: the log as it grows, and rollbacks' progress. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { RecantError, RetryableError } from "../../domain/errors.ts";
import type { ChainId, LogPosition } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { RecantService } from "../../service/recant-service.ts";
import type { Admitted } from "../admitted.ts";
import { parseEventId, startPositions } from "../event-position.ts";
import { eventStream } from "../event-stream.ts";
import { boundedText } from "../fields.ts";
import { addExcess } from "../invalid-request.ts";
import type { HttpEnvironment, OpenApiApp, RouteContext } from "../openapi-app.ts";
import { OF_CHAIN, problems } from "../responses.ts";

/** Names joined by commas. */
function listQuery(name: RegExp, description: string) {
	return z
		.string()
		.transform((text, context) => {
			const names = text.split(",", LIMITS.eventFilters + 1).map((part) => part.trim());
			if (names.length > LIMITS.eventFilters) {
				const message = `names more than ${LIMITS.eventFilters}`;
				addExcess(context, { limit: "eventFilters", value: names.length, message });
			}
			const wrong = names.find((part) => !name.test(part));
			if (wrong !== undefined) {
				context.addIssue({ code: "custom", message: `${JSON.stringify(wrong)} is not a name` });
			}
			return names;
		})
		.openapi({ type: "string", description });
}

const eventId = boundedText(
	"cursorLength",
	"Go on after this id: `chain:position`, joined by commas for several chains.",
);

const eventsRoute = createRoute({
	method: "get",
	path: "/v1/events",
	tags: ["events"],
	summary: "Server-sent events: every log entry as it commits, and rollbacks' progress",
	description: [
		"An event's `event` is its type, its `data` a JSON object `{chainId, position, type, data}`, its `id` the position of every chain.",
		"`Last-Event-ID` (or `after`) resumes without loss or repetition; without it the stream begins at the present end.",
		"Progress has no id and is not sent again. A failure comes as an event `problem`, and the stream ends.",
		`A comment is sent after ${LIMITS.eventHeartbeatMs} ms of silence; at most ${LIMITS.eventClients} clients are served.`,
	].join(" "),
	request: {
		query: z.strictObject({
			after: eventId.optional(),
			chain: listQuery(
				/^[A-Za-z0-9_-]{1,64}$/,
				"Only these chains: ids or names, joined by commas.",
			).optional(),
			types: listQuery(/^[A-Za-z0-9_.-]{1,64}$/, "Only these types, joined by commas.").optional(),
		}),
		headers: z.object({ "last-event-id": eventId.optional() }),
	},
	responses: {
		200: {
			description: "The stream.",
			content: { "text/event-stream": { schema: z.string() } },
		},
		...problems(...OF_CHAIN, "cursor_invalid", "too_many_clients"),
	},
});

const HEADERS = {
	"content-type": "text/event-stream",
	"cache-control": "no-store",
	// Some proxies collect a response before they pass it on.
	"x-accel-buffering": "no",
};

export function addEventRoutes(app: OpenApiApp, { service: bound, log }: RouteContext): void {
	const clients = clientSlots();
	app.openapi(eventsRoute, async (context) => {
		const service = bound(context);
		const { after: afterQuery, chain, types } = context.req.valid("query");
		const after = context.req.valid("header")["last-event-id"] ?? afterQuery;
		const resumed = after === undefined ? undefined : parseEventId(after);
		const positions = startPositions(await presentEnds(service, chain), resumed);
		// A HEAD's body is never read, and so would never be ended.
		if (context.req.method === "HEAD") return new Response(null, { headers: HEADERS });
		const leave = clients.enter(context.get("admitted").caller.id);
		const access = accessWatch(context.get("admitted"));
		const stream = eventStream({
			open: (signal) => service.events({ after: positions, chains: chain, types }, signal),
			positions,
			signals: [...endings(context), access.signal],
			onFailure: (error) => log.error({ err: error }, "an event stream failed"),
			onEnd: () => {
				access.stop();
				leave();
			},
		});
		return new Response(stream, { headers: HEADERS });
	});
}

/** Aborts when the caller's key is revoked or has expired. */
function accessWatch({ holds }: Admitted): { readonly signal: AbortSignal; stop(): void } {
	const lost = new AbortController();
	const look = async () => {
		try {
			if (!(await holds())) lost.abort();
		} catch (error) {
			// Keys that cannot be read are read again soon; until then nothing is committed either.
			if (!(error instanceof RecantError)) throw error;
		}
	};
	const timer = setInterval(() => void look(), LIMITS.keyStalenessMs);
	return { signal: lost.signal, stop: () => clearInterval(timer) };
}

function endings(context: Context<HttpEnvironment>): AbortSignal[] {
	// Without a server around it (tests), an app has no bindings.
	const closing = context.env?.closing;
	return closing === undefined ? [context.req.raw.signal] : [context.req.raw.signal, closing];
}

async function presentEnds(
	service: RecantService,
	names: readonly string[] | undefined,
): Promise<Map<ChainId, LogPosition>> {
	const chains =
		names === undefined
			? (await service.status()).chains
			: await Promise.all(names.map((name) => service.chain(name)));
	return new Map(chains.map(({ chainId, logPosition }) => [chainId, logPosition]));
}

/** Counts the clients that are connected, and those of each key. Entering answers what to call on leaving. */
function clientSlots(): { enter(callerId: string): () => void } {
	let all = 0;
	const byCaller = new Map<string, number>();
	return {
		enter(callerId) {
			const own = byCaller.get(callerId) ?? 0;
			if (all >= LIMITS.eventClients) throw tooMany("eventClients", all);
			// Whoever has no key of their own is the operator.
			if (callerId !== "" && own >= LIMITS.eventClientsOfKey)
				throw tooMany("eventClientsOfKey", own);
			all += 1;
			byCaller.set(callerId, own + 1);
			return () => {
				all -= 1;
				const left = (byCaller.get(callerId) ?? 1) - 1;
				if (left === 0) byCaller.delete(callerId);
				else byCaller.set(callerId, left);
			};
		},
	};
}

function tooMany(limit: "eventClients" | "eventClientsOfKey", value: number): RetryableError {
	return new RetryableError("too_many_clients", {
		message: `${value} clients${limit === "eventClients" ? "" : " of this API key"} read the events; more are not served`,
		hint: "close streams that are not needed, or read several chains with one stream",
		fields: { limit, value, max: LIMITS[limit] },
	});
}
