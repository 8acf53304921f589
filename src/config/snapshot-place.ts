/** Where snapshots are kept: RECANT_SNAPSHOTS, and the settings of object stores as Amazon's tools name them. */
import { resolve } from "node:path";
import * as z from "zod";

/** Amazon's own default, which most other stores take as well. */
const DEFAULT_REGION = "us-east-1";

export type SnapshotPlace =
	| { readonly kind: "directory"; readonly path: string }
	| {
			readonly kind: "s3";
			readonly bucket: string;
			/** Without slashes at its ends; may be empty. */
			readonly prefix: string;
			readonly region: string;
			/** Undefined: Amazon's own. */
			readonly endpoint: string | undefined;
			/** Undefined: roles and profiles, as Amazon's tools find them. */
			readonly credentials:
				| {
						readonly accessKeyId: string;
						readonly secretAccessKey: string;
						readonly sessionToken: string | undefined;
				  }
				| undefined;
	  };

const endpoint = z
	.string()
	.refine(
		(value) => /^https?:\/\/./i.test(value) && URL.canParse(value),
		"must be a URL of http(s)://",
	);

/** Variables of the environment's schema. */
export const snapshotVariables = {
	RECANT_SNAPSHOTS: z
		.string()
		.refine(
			(value) => !value.startsWith("s3:") || S3_URI.test(value),
			"must be a directory or s3://<bucket>/<prefix>",
		)
		.optional(),
	AWS_REGION: z.string().optional(),
	AWS_DEFAULT_REGION: z.string().optional(),
	AWS_ENDPOINT_URL_S3: endpoint.optional(),
	AWS_ENDPOINT_URL: endpoint.optional(),
	AWS_ACCESS_KEY_ID: z.string().optional(),
	AWS_SECRET_ACCESS_KEY: z.string().optional(),
	AWS_SESSION_TOKEN: z.string().optional(),
};

const S3_URI = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([^?#]*))?$/;

type Values = z.output<z.ZodObject<typeof snapshotVariables>>;

/** Undefined: a folder of the data directory. */
export function snapshotPlace(values: Values): SnapshotPlace | undefined {
	const { RECANT_SNAPSHOTS: place } = values;
	if (place === undefined) return undefined;
	const [, bucket, prefix = ""] = S3_URI.exec(place) ?? [];
	if (bucket === undefined) return { kind: "directory", path: resolve(place) };
	return {
		kind: "s3",
		bucket,
		prefix: prefix.replaceAll(/^\/+|\/+$/g, ""),
		region: values.AWS_REGION ?? values.AWS_DEFAULT_REGION ?? DEFAULT_REGION,
		endpoint: values.AWS_ENDPOINT_URL_S3 ?? values.AWS_ENDPOINT_URL,
		credentials: credentialsOf(values),
	};
}

function credentialsOf(values: Values) {
	const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = values;
	if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
	return { accessKeyId, secretAccessKey, sessionToken: values.AWS_SESSION_TOKEN };
}
