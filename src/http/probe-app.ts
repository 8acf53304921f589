/**
 * What a process answers that has no API: whether it is there and ready. Everything else is 404, and says
 * which role this process has, so that a request that went astray is understood.
 */
import { FatalError } from "../domain/errors.ts";
import { type Role, rolesText } from "../domain/role.ts";
import type { RecantService } from "../service/recant-service.ts";
import { answerError } from "./answer-error.ts";
import { type HttpLog, type OpenApiApp, openApiApp } from "./openapi-app.ts";
import { addHealthRoutes } from "./routes/status-routes.ts";

export function createProbeApp(options: {
	readonly service: RecantService;
	readonly roles: readonly Role[];
	readonly log: HttpLog;
}): OpenApiApp {
	const { service, roles, log } = options;
	const app = openApiApp();
	app.use(async (context, next) => {
		await next();
		context.header("x-content-type-options", "nosniff");
		context.header("cache-control", "no-store");
	});
	addHealthRoutes(app, { service: () => service, log });
	app.notFound((context) => answerError(noApi(roles, context.req), context, log));
	app.onError((error, context) => answerError(error, context, log));
	return app;
}

function noApi(
	roles: readonly Role[],
	{ method, path }: { readonly method: string; readonly path: string },
): FatalError {
	const role = rolesText(roles);
	return new FatalError("not_found", {
		message: `there is no ${path} here: this process has the role ${role}, and answers /healthz and /readyz alone`,
		hint: "ask a process that was started with --role api",
		fields: { method, path, role },
	});
}
