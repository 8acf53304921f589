/** Rollbacks: what was rolled back, what it changed, and rolling back by hand. */
import { createRoute, z } from "@hono/zod-openapi";
import type { ErrorCode } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { toWire } from "../../domain/wire.ts";
import {
	ROLLBACK_ORDERS,
	ROLLBACK_STRATEGIES,
	type RollbackOrder,
} from "../../service/rollback-view.ts";
import { rollbackAnswer, rollbacksAnswer } from "../answer-schema.ts";
import { chainParam, countQuery, cursorQuery, decimalValue, uuidParam } from "../fields.ts";
import { jsonBody } from "../json-body.ts";
import type { OpenApiApp, RouteContext } from "../openapi-app.ts";
import { reportPage } from "../report-page.ts";
import { reportAnswer, rollbackPlanAnswer } from "../report-schema.ts";
import { answer, OF_BODY, OF_CHAIN, problems } from "../responses.ts";

const DEFAULT_PAGE = 50;

const rollbackParams = z.object({
	chain: chainParam,
	id: uuidParam("id", "The rollback's id."),
});

const rollbacksRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/rollbacks",
	tags: ["rollbacks"],
	summary: "Rollbacks, the newest first",
	request: {
		params: z.object({ chain: chainParam }),
		query: z.strictObject({
			limit: countQuery({
				limit: "pageSize",
				default: DEFAULT_PAGE,
				min: 1,
				description: `Rollbacks on a page, 1 to ${LIMITS.pageSize}.`,
			}),
			cursor: cursorQuery.optional(),
		}),
	},
	responses: {
		200: answer("One page.", rollbacksAnswer),
		...problems(...OF_CHAIN, "cursor_invalid"),
	},
});

const startRoute = createRoute({
	method: "post",
	path: "/v1/chains/{chain}/rollbacks",
	tags: ["rollbacks"],
	summary: "Roll back by hand, or ask what that would do",
	description:
		"Goes back to the end of block `toBlock`; the follower then goes on from there. Answered at once: follow the rollback by its id or by the events.",
	middleware: jsonBody,
	request: {
		params: z.object({ chain: chainParam }),
		body: {
			required: true,
			content: {
				"application/json": {
					schema: z
						.strictObject({
							toBlock: decimalValue("Height that becomes the head, inclusive."),
							strategy: z.enum(ROLLBACK_STRATEGIES).optional().openapi({
								description:
									"How to get the state at that block; left out: the cheapest that can be taken. snapshot: a verified snapshot and the log. rebuild: the log and the chain alone.",
							}),
							dryRun: z
								.boolean()
								.default(false)
								.openapi({ description: "Only tell what would change." }),
						})
						.openapi("RollbackRequest"),
				},
			},
		},
	},
	responses: {
		200: answer("With `dryRun`: what would change.", rollbackPlanAnswer),
		202: answer("Recorded and under way; `Location` names it.", rollbackAnswer),
		...problems(
			...OF_CHAIN,
			...OF_BODY,
			"below_finality",
			"chain_busy",
			"chain_halted",
			"height_in_future",
			"unknown_checkpoint",
		),
	},
});

const rollbackRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/rollbacks/{id}",
	tags: ["rollbacks"],
	summary: "One rollback with stage, counts and time left",
	request: { params: rollbackParams },
	responses: {
		200: answer("The rollback.", rollbackAnswer),
		...problems(...OF_CHAIN, "rollback_not_found"),
	},
});

const reportRoute = createRoute({
	method: "get",
	path: "/v1/chains/{chain}/rollbacks/{id}/report",
	tags: ["rollbacks"],
	summary: "What was believed and no longer is",
	description: `Each list holds at most ${LIMITS.reportItems} entries; \`truncated\` says when one is cut, and the counts are whole. A browser, which asks for text/html, gets a page to read.`,
	request: { params: rollbackParams },
	responses: {
		200: {
			description: "The report.",
			content: {
				"application/json": { schema: reportAnswer },
				"text/html": { schema: z.string() },
			},
		},
		...problems(...OF_CHAIN, "rollback_not_found"),
	},
});

/** What each order is, for the document. */
const ORDERS: Readonly<Record<RollbackOrder, { readonly is: string; readonly more: string }>> = {
	pause: {
		is: "Have a rollback wait before its next stage",
		more: "The chain goes on serving what it has, and takes no writes into it; what is prepared is kept. Once this is answered it is not committed before it is resumed.",
	},
	resume: { is: "Let a rollback that is paused go on", more: "From where it stood." },
	cancel: {
		is: "End a rollback that was asked for by hand",
		more: "One that follows a fork cannot be cancelled, as it would be recorded again: pause it.",
	},
	retry: {
		is: "Try a rollback that failed again",
		more: "From the stage at which it failed where what was prepared is kept, else from the beginning. Refused when the chain has moved on since.",
	},
	abandon: {
		is: "Give a rollback that failed up",
		more: "What it prepared is deleted. A chain that stands on it looks at the fork anew.",
	},
};

function orderRoute<Order extends RollbackOrder>(order: Order) {
	return createRoute({
		method: "post",
		path: `/v1/chains/{chain}/rollbacks/{id}/${order}`,
		tags: ["rollbacks"],
		summary: ORDERS[order].is,
		description: ORDERS[order].more,
		request: { params: rollbackParams },
		responses: {
			200: answer("The rollback as it is then.", rollbackAnswer),
			...problems(...OF_CHAIN, "forbidden_origin", "rollback_not_found", ...ORDER_PROBLEMS[order]),
		},
	});
}

const ORDER_PROBLEMS = {
	pause: ["rollback_over"],
	resume: ["rollback_over"],
	cancel: ["rollback_over", "rollback_not_cancellable"],
	retry: ["chain_busy", "chain_halted", "rollback_not_failed", "rollback_outdated"],
	abandon: ["rollback_not_failed"],
} as const satisfies Readonly<Record<RollbackOrder, readonly ErrorCode[]>>;

export function addRollbackRoutes(app: OpenApiApp, { service }: RouteContext): void {
	app.openapi(rollbacksRoute, async (context) => {
		const { limit, cursor } = context.req.valid("query");
		const { chain } = context.req.valid("param");
		return context.json(toWire(await service(context).rollbacks(chain, { limit, cursor })), 200);
	});
	app.openapi(startRoute, async (context) => {
		const { chain } = context.req.valid("param");
		const { toBlock, dryRun, strategy } = context.req.valid("json");
		if (dryRun)
			return context.json(toWire(await service(context).planRollback(chain, toBlock)), 200);
		const rollback = await service(context).startRollback(chain, toBlock, strategy);
		context.header("location", `/v1/chains/${rollback.chainId}/rollbacks/${rollback.id}`);
		return context.json(toWire(rollback), 202);
	});
	app.openapi(rollbackRoute, async (context) => {
		const { chain, id } = context.req.valid("param");
		return context.json(toWire(await service(context).rollback(chain, id)), 200);
	});
	for (const order of ROLLBACK_ORDERS) {
		app.openapi(orderRoute(order), async (context) => {
			const { chain, id } = context.req.valid("param");
			return context.json(toWire(await service(context).orderRollback(chain, id, order)), 200);
		});
	}
	app.openapi(reportRoute, async (context) => {
		const { chain, id } = context.req.valid("param");
		const report = toWire(await service(context).report(chain, id));
		context.header("vary", "accept");
		if (!wantsPage(context.req.header("accept"))) return context.json(report, 200);
		const page = reportPage(report);
		page.headers.set("vary", "accept");
		return page;
	});
}

/** Whether a page is asked for; whoever does not say so, or takes anything, gets JSON. */
function wantsPage(accept: string | undefined): boolean {
	const types = (accept ?? "").split(",").map((part) => part.split(";")[0]?.trim().toLowerCase());
	const page = types.indexOf("text/html");
	const json = types.indexOf("application/json");
	return page !== -1 && (json === -1 || page < json);
}
