import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { readEnvironment } from "../../src/config/environment.ts";

const KEYS = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" };

describe("where snapshots are kept", () => {
	test("is the data directory by default, else a directory or an object store", () => {
		expect(readEnvironment({}).snapshots).toBeUndefined();
		expect(readEnvironment({ RECANT_SNAPSHOTS: "backups" }).snapshots).toEqual({
			kind: "directory",
			path: resolve("backups"),
		});
		expect(
			readEnvironment({ RECANT_SNAPSHOTS: "s3://bucket/some/where/", ...KEYS }).snapshots,
		).toEqual({
			kind: "s3",
			bucket: "bucket",
			prefix: "some/where",
			region: "us-east-1",
			endpoint: undefined,
			credentials: { accessKeyId: "id", secretAccessKey: "secret", sessionToken: undefined },
		});
	});

	test("takes region, endpoint and session as Amazon's tools name them", () => {
		const { snapshots } = readEnvironment({
			RECANT_SNAPSHOTS: "s3://bucket",
			AWS_DEFAULT_REGION: "eu-west-1",
			AWS_ENDPOINT_URL: "http://127.0.0.1:9000",
			AWS_ENDPOINT_URL_S3: "http://127.0.0.1:9001",
		});
		expect(snapshots).toEqual({
			kind: "s3",
			bucket: "bucket",
			prefix: "",
			region: "eu-west-1",
			endpoint: "http://127.0.0.1:9001",
			credentials: undefined,
		});
	});

	test("is refused when it is neither", () => {
		for (const place of ["s3:bucket", "s3://", "s3://B!/x"]) {
			expect(() => readEnvironment({ RECANT_SNAPSHOTS: place })).toThrow(/RECANT_SNAPSHOTS/);
		}
		expect(() =>
			readEnvironment({ RECANT_SNAPSHOTS: "s3://bucket", AWS_ENDPOINT_URL: "localhost:9000" }),
		).toThrow(/AWS_ENDPOINT_URL/);
	});
});
