/** What `ours.ts` imports, and nothing done with it. */
export * as FetchHttpClient from "@effect/platform/FetchHttpClient"
export * as HttpClient from "@effect/platform/HttpClient"
export * as Effect from "effect/Effect"
export * as Layer from "effect/Layer"
export * as Redacted from "effect/Redacted"
export * as AuthenticatedHttpClient from "effect-credentials/AuthenticatedHttpClient"
export * as ClientCredentials from "effect-credentials/ClientCredentials"
