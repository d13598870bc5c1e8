/** What `plain.ts` imports, and nothing done with it. */
export * as FetchHttpClient from "@effect/platform/FetchHttpClient"
export * as HttpClient from "@effect/platform/HttpClient"
export * as Effect from "effect/Effect"
