/** Who is told of rollbacks: WEBHOOK_URL, and the secrets that sign what is sent. */
import * as z from "zod";
import { LIMITS } from "../domain/limits.ts";
import { secretKey } from "../domain/webhook-signature.ts";
import {
	type EnvironmentProblem,
	type EnvironmentVariables,
	splitList,
} from "./environment-problems.ts";

export interface WebhookSettings {
	readonly urls: readonly string[];
	/** Each signs: the first is the present one, the others are being changed. */
	readonly secrets: readonly Buffer[];
	/** Where people reach this service; undefined: links are paths. */
	readonly publicUrl: string | undefined;
}

const MAKE_ONE = `make one: node -p "'whsec_' + require('node:crypto').randomBytes(32).toString('base64')"`;

/** Variables of the environment's schema. */
export const webhookVariables = {
	WEBHOOK_URL: z
		.string()
		.transform((value) => [...new Set(splitList(value))])
		.superRefine((urls, context) => {
			if (urls.length < 1 || urls.length > LIMITS.webhookUrls) {
				context.addIssue(`must list 1 to ${LIMITS.webhookUrls} URLs, separated by commas`);
			}
			for (const [index, value] of urls.entries()) {
				if (!isHttp(value)) context.addIssue(`entry ${index + 1} must be a URL of http(s)://`);
			}
		})
		.optional(),
	WEBHOOK_SECRET: z
		.string()
		.transform(splitList)
		.superRefine((secrets, context) => {
			if (secrets.length < 1 || secrets.length > LIMITS.webhookSecrets) {
				context.addIssue(`must list 1 to ${LIMITS.webhookSecrets} secrets, separated by commas`);
			}
			for (const [index, secret] of secrets.entries()) {
				if (secretKey(secret) === undefined) {
					context.addIssue(`secret ${index + 1} must be whsec_ and 24 to 64 bytes in base64`);
				}
			}
		})
		.optional(),
	RECANT_PUBLIC_URL: z.string().refine(isHttp, "must be a URL of http(s)://").optional(),
};

type Values = z.output<z.ZodObject<typeof webhookVariables>>;

/** Told apart from the schema, as it concerns two variables. */
export function webhookProblems(set: EnvironmentVariables): readonly EnvironmentProblem[] {
	if (set["WEBHOOK_URL"] === undefined || set["WEBHOOK_SECRET"] !== undefined) return [];
	const what = "is unset, and WEBHOOK_URL needs it: what is sent is signed";
	return [{ variable: "WEBHOOK_SECRET", shown: undefined, what, hint: MAKE_ONE }];
}

/** Undefined: nobody is told. */
export function webhookSettings(values: Values): WebhookSettings | undefined {
	const { WEBHOOK_URL: urls, WEBHOOK_SECRET: secrets = [], RECANT_PUBLIC_URL: publicUrl } = values;
	if (urls === undefined) return undefined;
	const keys = secrets.map(secretKey).filter((key) => key !== undefined);
	return { urls, secrets: keys, publicUrl: publicUrl?.replace(/\/+$/, "") };
}

function isHttp(value: string): boolean {
	return /^https?:\/\/./i.test(value) && URL.canParse(value);
}
