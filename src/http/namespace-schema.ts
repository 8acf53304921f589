/** Namespaces and their settings, as they come in and are answered. */
import { z } from "@hono/zod-openapi";
import { toJSONSchema } from "zod";
import { LIMITS } from "../domain/limits.ts";
import type { NamespaceSettings } from "../domain/namespace-settings.ts";
import { type SettingsForm, settingsForm, settingsOf } from "../memory/settings-form.ts";
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

const SETTINGS_DOC = `shortTermCapacity: short-term memories that are kept, the oldest written goes first. policy: what becomes of what rests on something that a fork took back. schemas: by layer, JSON Schema (2020-12) that contents must meet; without \`pattern\`, remote or recursive references, ${LIMITS.schemaBytes} bytes and ${LIMITS.schemaNodes} subschemas at most; formats address, date, date-time, decimal, hash, hex, uuid. consolidation: rules by which short-term memories and episodes become long-term ones. What is left out is not set.`;

/** The form is pure and knows nothing of OpenAPI, so its documentation is made of its JSON Schema. */
const { $schema: _dialect, ...documented } = toJSONSchema(settingsForm, {
	io: "input",
	unrepresentable: "any",
});
const settings = z.custom<SettingsForm>().openapi("NamespaceSettings", {
	...(documented as object),
	description: SETTINGS_DOC,
});

export const settingsBody = z
	.unknown()
	.transform((body, context): NamespaceSettings => {
		const parsed = settingsForm.safeParse(body);
		if (parsed.success) return settingsOf(parsed.data);
		for (const issue of parsed.error.issues) context.addIssue({ ...issue });
		return z.NEVER;
	})
	.openapi("NamespaceSettingsRequest", {
		anyOf: [{ $ref: "#/components/schemas/NamespaceSettings" }],
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
