/** The event stream: the log as it grows, and rollbacks' progress. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { RetryableError } from "../../domain/errors.ts";
import type { ChainId, LogPosition } from "../../domain/ids.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { RecantService } from "../../service/recant-service.ts";
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

export function addEventRoutes(app: OpenApiApp, { service, log }: RouteContext): void {
	const clients = clientSlots();
	app.openapi(eventsRoute, async (context) => {
		const { after: afterQuery, chain, types } = context.req.valid("query");
		const after = context.req.valid("header")["last-event-id"] ?? afterQuery;
		const resumed = after === undefined ? undefined : parseEventId(after);
		const positions = startPositions(await presentEnds(service, chain), resumed);
		// A HEAD's body is never read, and so would never be ended.
		if (context.req.method === "HEAD") return new Response(null, { headers: HEADERS });
		const leave = clients.enter();
		const stream = eventStream({
			open: (signal) => service.events({ after: positions, chains: chain, types }, signal),
			positions,
			signals: endings(context),
			onFailure: (error) => log.error({ err: error }, "an event stream failed"),
			onEnd: leave,
		});
		return new Response(stream, { headers: HEADERS });
	});
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

/** Counts the clients that are connected. Entering answers what to call on leaving. */
function clientSlots(): { enter(): () => void } {
	let count = 0;
	return {
		enter() {
			if (count >= LIMITS.eventClients) {
				throw new RetryableError("too_many_clients", {
					message: `${count} clients read the events; more are not served`,
					hint: "close streams that are not needed, or read several chains with one stream",
					fields: { limit: "eventClients", value: count, max: LIMITS.eventClients },
				});
			}
			count += 1;
			return () => {
				count -= 1;
			};
		},
	};
}
