/** Namespaces and their settings, as they come in and are answered. */
import { z } from "@hono/zod-openapi";
import { LIMITS } from "../domain/limits.ts";
import { settingsForm, settingsOf } from "../memory/settings-form.ts";
import { boundedText, countQuery, cursorQuery } from "./fields.ts";

const DEFAULT_PAGE = 50;

export const namespaceParam = boundedText("namespaceLength", "The namespace.").openapi({
	param: { name: "namespace", in: "path" },
});

export const namespacesQuery = z.strictObject({
	limit: countQuery({
		limit: "pageSize",
		default: DEFAULT_PAGE,
		min: 1,
		description: `Namespaces on a page, 1 to ${LIMITS.pageSize}.`,
	}),
	cursor: cursorQuery.optional(),
	counts: z
		.enum(["true", "false"])
		.default("false")
		.transform((text) => text === "true")
		.openapi({
			type: "boolean",
			default: false,
			description: "Count the visible memories of each layer: reads every version of them.",
		}),
});

const settings = settingsForm.openapi("NamespaceSettings", {
	description: `shortTermCapacity: short-term memories that are kept, the oldest written goes first. policy: what becomes of what rests on something that a fork took back. schemas: by layer, JSON Schema (2020-12) that contents must meet; without \`pattern\`, remote or recursive references, ${LIMITS.schemaBytes} bytes and ${LIMITS.schemaNodes} subschemas at most; formats address, date, date-time, decimal, hash, hex, uuid. consolidation: rules by which short-term memories and episodes become long-term ones. What is left out is not set.`,
});

export const settingsBody = settings.transform(settingsOf).openapi("NamespaceSettingsRequest", {
	description: "They take the place of those before, whole.",
});

const count = z.int();
const namespaceItem = z.object({
	namespace: z.string(),
	owner: z.enum(["handler", "agent"]),
	hasSettings: z.boolean(),
	memories: z
		.object({ short_term: count, long_term: count, episodic: count, semantic: count })
		.optional()
		.openapi({ description: "Visible at `pending`, links left out." }),
});

export const namespacesAnswer = z
	.object({ items: z.array(namespaceItem), cursor: z.string().optional() })
	.openapi("Namespaces");

export const namespaceAnswer = z
	.object({
		namespace: z.string(),
		source: z.enum(["registered", "declared", "none"]).openapi({
			description: "registered: by this API. declared: in the chain's file.",
		}),
		settings,
		updatedAt: z.string().optional().openapi({ format: "date-time" }),
	})
	.openapi("Namespace");
