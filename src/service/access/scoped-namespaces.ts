/** Namespaces as one caller may see and set them. */
import { type Caller, requireNamespace, requireScope } from "../../domain/caller.ts";
import type { NamespaceService } from "../layers/namespace-service.ts";

/** Lists are of the caller's own; settings are an operator's of that namespace. */
export function scopedNamespaces(service: NamespaceService, caller: Caller): NamespaceService {
	return {
		async namespaces(chain, query) {
			requireScope(caller, "read");
			const own = { of: caller.namespaces, reader: caller.id };
			return service.namespaces(chain, { ...query, ...own });
		},
		async namespace(chain, namespace) {
			requireScope(caller, "read");
			requireNamespace(caller, namespace);
			return service.namespace(chain, namespace);
		},
		async setNamespace(chain, namespace, settings) {
			requireScope(caller, "operate");
			requireNamespace(caller, namespace);
			return service.setNamespace(chain, namespace, settings);
		},
	};
}
