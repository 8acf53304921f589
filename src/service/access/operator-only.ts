/** Services that concern a chain as a whole: everybody's memories are in what they do and answer. */
import { type Caller, requireOperator } from "../../domain/caller.ts";

/**
 * The service for callers who may operate on all namespaces; for others one whose every method refuses
 * with `forbidden_scope` or `forbidden_namespace`, those too that are added later.
 */
export function operatorOnly<Service extends object>(service: Service, caller: Caller): Service {
	if (caller.scopes.has("operate") && caller.namespaces === undefined) return service;
	return new Proxy(service, {
		get: () => async () => requireOperator(caller),
	});
}
