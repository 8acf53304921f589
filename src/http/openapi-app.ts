/** The kind of app that routes are added to, and what they are given. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { RecantService } from "../service/recant-service.ts";
import { requestError } from "./invalid-request.ts";

export interface HttpEnvironment {
	readonly Bindings: {
		/** Aborts when the server closes; event streams then end. */
		readonly closing?: AbortSignal;
	};
}

export type OpenApiApp = OpenAPIHono<HttpEnvironment>;

/** The part of a pino logger that http/ uses. */
export interface HttpLog {
	error(fields: object, message: string): void;
}

export interface RouteContext {
	readonly service: RecantService;
	readonly log: HttpLog;
}

/** Where a part of the request is named in `problems`. */
const ROOTS: Readonly<Record<string, string>> = {
	json: "body",
	param: "path",
	query: "query",
	header: "header",
};

export function openApiApp(): OpenApiApp {
	return new OpenAPIHono<HttpEnvironment>({
		defaultHook: (result) => {
			if (!result.success) throw requestError(ROOTS[result.target] ?? result.target, result.error);
		},
	});
}
