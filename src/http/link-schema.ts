/** Links and their ends, as they come in over HTTP. */
import { z } from "@hono/zod-openapi";
import { LIMITS } from "../domain/limits.ts";
import type { LinkEnd, LinkName } from "../domain/link-name.ts";
import { boundedText, checkCount, memoryIdValue, namespaceValue } from "./fields.ts";

const endValue = z
	.union([
		memoryIdValue.transform((id) => ({ id, namespace: undefined })),
		z.strictObject({ namespace: namespaceValue.optional(), id: memoryIdValue }),
	])
	.openapi("LinkEnd", {
		description:
			"A memory: its id, or `{namespace, id}` where it is in one of the chain's own namespaces.",
	});

type ParsedEnd = z.output<typeof endValue>;

const linkTypeValue = boundedText(
	"linkTypeLength",
	"What the link says: letters, digits, `_` and `-`, such as `isA`, `partOf`, `causedBy`, `knows`.",
).regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, "must be letters, digits, - and _");

export const linkFields = { from: memoryIdValue, type: linkTypeValue, to: endValue };

export const causesValue = z
	.array(endValue)
	.min(1, "must hold a cause")
	.superRefine((list, context) => checkCount(list.length, "sources", context))
	.openapi({
		type: "array",
		description: `Episodes that caused this one, at most ${LIMITS.sources}: each is linked with \`causedBy\`, in the same commit.`,
	});

export function endOf({ namespace, id }: ParsedEnd, own: string): LinkEnd {
	return { namespace: namespace ?? own, id };
}

/** A link belongs to the namespace that it begins in. */
export function linkOf(
	{ from, type, to }: { readonly from: string; readonly type: string; readonly to: ParsedEnd },
	namespace: string,
): LinkName {
	return { from: { namespace, id: from }, type, to: endOf(to, namespace) };
}
