/** The kind of app that routes are added to, and what they are given. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { RecantService } from "../service/recant-service.ts";
import type { Admitted } from "./admitted.ts";
import { requestError } from "./invalid-request.ts";

export interface HttpEnvironment {
	readonly Bindings: {
		/** Aborts when the server closes; event streams then end. */
		readonly closing?: AbortSignal;
	};
	readonly Variables: {
		/** Who this request is of; set before any route is asked. */
		readonly admitted: Admitted;
	};
}

/**
 * A service as the caller of a request may use it. Routes are given this and never the service itself, so
 * that none of them can forget to ask who calls.
 */
export type Bound<Service> = (context: Context<HttpEnvironment>) => Service;

export type OpenApiApp = OpenAPIHono<HttpEnvironment>;

/** The part of a pino logger that http/ uses. */
export interface HttpLog {
	error(fields: object, message: string): void;
}

export interface RouteContext {
	readonly service: Bound<RecantService>;
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
