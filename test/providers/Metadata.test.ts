/** The metadata servers of Google Cloud and Azure, each as a real little HTTP server. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, beforeAll } from "vitest"
import * as Credentials from "../../src/Credentials.ts"
import type { Provider } from "../../src/Provider.ts"
import * as AzureMetadata from "../../src/providers/AzureMetadata.ts"
import * as GoogleMetadata from "../../src/providers/GoogleMetadata.ts"
import type { Token } from "../../src/Token.ts"
import { show } from "../support/engine.ts"
import { json, platformServer } from "../support/platformServer.ts"
import { contract } from "./contract.ts"

const token = (provider: Provider<HttpClient.HttpClient>) =>
  Effect.scoped(Effect.flatMap(Credentials.make(provider), (credentials) => credentials.token)).pipe(
    Effect.provide(FetchHttpClient.layer)
  )

const secondsLeft = (token: Token) =>
  Option.getOrUndefined(Option.map(token.expiresAt, (at) => DateTime.distance(token.issuedAt, at) / 1000))

/** One for all of the contract, which knows nothing of scopes around it. */
let server: Server
let origin = ""
beforeAll(async () => {
  server = createServer((request, response) => {
    const { headers, url = "" } = request
    if (url.includes("wrong"))
      json(response, { error: "invalid_request", error_description: "Identity not found" }, 400)
    else if (headers["metadata-flavor"] === "Google")
      json(response, { access_token: "c4nary", expires_in: 3599, token_type: "Bearer" }, 200, {
        "metadata-flavor": "Google"
      })
    else
      json(response, {
        access_token: "c4nary",
        expires_in: "3599",
        expires_on: "1",
        resource: "r",
        token_type: "Bearer"
      })
  })
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.close()
  server.closeAllConnections()
})

describe("GoogleMetadata", () => {
  contract<HttpClient.HttpClient>({
    name: "GoogleMetadata",
    make: () => GoogleMetadata.make({ origin }),
    failing: () => GoogleMetadata.make({ origin, account: "wrong" }),
    secrets: ["c4nary"],
    provide: (effect) => Effect.scoped(Effect.provide(effect, FetchHttpClient.layer))
  })

  it.scoped("asks as Google wants to be asked, for the machine's account or another", () =>
    Effect.gen(function* () {
      const { asked, origin } = yield* platformServer((_, response) =>
        json(response, { access_token: "t0ken", expires_in: 300, token_type: "Bearer" }, 200, {
          "Metadata-Flavor": "Google"
        })
      )
      const made = yield* token(GoogleMetadata.make({ origin: `${origin}/` }))
      assert.deepStrictEqual([show(made), secondsLeft(made)], ["t0ken", 300])
      const scope = ["https://www.googleapis.com/auth/a", "b"]
      const scoped = yield* token(GoogleMetadata.make({ origin, account: "robot@p.iam.gserviceaccount.com", scope }))
      assert.deepStrictEqual(scoped.scope, scope)
      assert.deepStrictEqual(
        asked.map(({ headers, url }) => [headers["metadata-flavor"], url]),
        [
          ["Google", "/computeMetadata/v1/instance/service-accounts/default/token"],
          [
            "Google",
            "/computeMetadata/v1/instance/service-accounts/robot@p.iam.gserviceaccount.com/token?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fa%2Cb"
          ]
        ]
      )
    })
  )

  it.scoped("takes no answer that does not say it is Google's, follows no redirect, and tells a missing account", () =>
    Effect.gen(function* () {
      const other = yield* platformServer((_, response) => json(response, { access_token: "stolen" }))
      const portal = yield* platformServer((_, response) => json(response, { access_token: "t0ken" }))
      const moved = yield* platformServer(
        (_, response) => void response.writeHead(302, { location: other.origin }).end()
      )
      const bare = yield* platformServer((_, response) => void response.writeHead(404).end("service account not found"))
      for (const [origin, description] of [
        [portal.origin, "it is not from Google's metadata server"],
        [moved.origin, "redirects are never followed"],
        [bare.origin, "status 404"]
      ] as const) {
        const error = yield* Effect.flip(token(GoogleMetadata.make({ origin })))
        assert.include(error.message, description)
        assert.isFalse("isRetryable" in error && error.isRetryable)
      }
      assert.strictEqual(other.asked.length, 0)
    })
  )

  it.scopedLive("a machine without a metadata server is found out soon", () =>
    Effect.gen(function* () {
      const hanging = yield* platformServer(() => undefined)
      const error = yield* Effect.flip(token(GoogleMetadata.make({ origin: hanging.origin, timeLimit: "100 millis" })))
      assert.strictEqual("reason" in error && error.reason._tag, "Timeout")
      assert.strictEqual(hanging.asked.length, 3)
    })
  )

  it.effect("options that cannot work fail the layer by name", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [string, GoogleMetadata.Options]> = [
        ["origin", { origin: "http://metadata.example.com" }],
        ["origin", { origin: "https://example.com" }],
        ["origin", { origin: "http://169.254.169.254/path" }],
        ["origin", { origin: "metadata" }],
        ["account", { account: "../../attributes" }],
        ["account", { account: ".." }],
        ["account", { account: "" }],
        ["scope", { scope: ["a b"] }],
        ["timeLimit", { timeLimit: 0 }],
        ["timeLimit", { timeLimit: "2 minutes" }]
      ]
      for (const [option, options] of cases) {
        const error = yield* Effect.flip(token(GoogleMetadata.make(options)))
        assert.strictEqual("option" in error && error.option, option, JSON.stringify(options))
      }
    })
  )
})

describe("AzureMetadata", () => {
  contract<HttpClient.HttpClient>({
    name: "AzureMetadata",
    make: () => AzureMetadata.make({ origin, resource: "https://vault.azure.net" }),
    failing: () => AzureMetadata.make({ origin, resource: "wrong" }),
    secrets: ["c4nary"],
    provide: (effect) => Effect.scoped(Effect.provide(effect, FetchHttpClient.layer))
  })

  it.scoped("asks as Azure wants to be asked, for the machine's identity or another", () =>
    Effect.gen(function* () {
      const { asked, origin } = yield* platformServer((_, response) =>
        json(response, { access_token: "t0ken", expires_in: "300", expires_on: "99999999999", token_type: "Bearer" })
      )
      const resource = "https://management.azure.com/"
      const made = yield* token(AzureMetadata.make({ origin, resource }))
      assert.deepStrictEqual([show(made), secondsLeft(made)], ["t0ken", 300])
      yield* token(AzureMetadata.make({ origin, resource, clientId: "c1" }))
      const path =
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F"
      assert.deepStrictEqual(
        asked.map(({ headers, url }) => [headers["metadata"], url]),
        [
          ["true", path],
          ["true", `${path}&client_id=c1`]
        ]
      )
    })
  )

  it.scoped("tells what Azure says, and follows no redirect", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(token(AzureMetadata.make({ origin, resource: "wrong" })))
      assert.include(error.message, "invalid_request (Identity not found)")
      const other = yield* platformServer((_, response) => json(response, { access_token: "stolen" }))
      const moved = yield* platformServer(
        (_, response) => void response.writeHead(307, { location: other.origin }).end()
      )
      yield* Effect.flip(token(AzureMetadata.make({ origin: moved.origin, resource: "r" })))
      assert.strictEqual(other.asked.length, 0)
    })
  )

  it.effect("options that cannot work fail the layer by name", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [string, Partial<AzureMetadata.Options>]> = [
        ["resource", { resource: " " }],
        ["resource", { resource: "a\nb" }],
        ["clientId", { clientId: "" }],
        ["origin", { origin: "https://example.com" }],
        ["origin", { origin: "" }],
        ["timeLimit", { timeLimit: Infinity }]
      ]
      for (const [option, options] of cases) {
        const error = yield* Effect.flip(token(AzureMetadata.make({ resource: "r", ...options })))
        assert.strictEqual("option" in error && error.option, option, JSON.stringify(options))
      }
    })
  )
})
