/**
 * An API behind a proxy, with a private certificate authority and client certificates: what is the same on every runtime.
 *
 * Proxy and certificates belong to the HttpClient, and are said once. Requests for tokens and requests to the API both go
 * through it. node.ts, bun.ts and deno.ts each make that client and run this program.
 *
 * Set PROXY_URL; CA_FILE, CERT_FILE and KEY_FILE to files in PEM; TOKEN_URL, CLIENT_ID, CLIENT_SECRET and SCOPE; and API_URL.
 */
import type { HttpClient } from "@effect/platform"
import { Config, Effect, Layer } from "effect"
import { AuthenticatedHttpClient, ClientCredentials } from "effect-credentials"
import { readFileSync } from "node:fs"

const pem = (name: string) => Config.map(Config.string(name), (path) => readFileSync(path, "utf8"))

/** The way out: a proxy, whom to trust, and who we are. */
export const network = Config.all({
  proxy: Config.string("PROXY_URL"),
  ca: pem("CA_FILE"),
  cert: pem("CERT_FILE"),
  key: pem("KEY_FILE")
})

/** Calls the API once, and says what it answered. */
export const program = <E>(Http: Layer.Layer<HttpClient.HttpClient, E>) =>
  Effect.gen(function* () {
    const api = yield* Config.url("API_URL")
    const Api = AuthenticatedHttpClient.layer({ origins: [api.origin] }).pipe(
      Layer.provide(ClientCredentials.layerConfig()),
      Layer.provide(Http)
    )
    yield* Effect.gen(function* () {
      const client = yield* AuthenticatedHttpClient.AuthenticatedHttpClient
      const response = yield* client.get(api)
      yield* Effect.log(`the API answered ${response.status}: ${yield* response.text}`)
    }).pipe(Effect.provide(Api))
  })
