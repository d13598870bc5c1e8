/** Against real little servers and real files: what a platform would do. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as ClientAuthentication from "../src/ClientAuthentication.ts"
import * as Credentials from "../src/Credentials.ts"
import type { RefreshError } from "../src/CredentialsError.ts"
import * as ClientCredentials from "../src/providers/ClientCredentials.ts"
import * as TokenExchange from "../src/providers/TokenExchange.ts"
import * as Testing from "../src/Testing.ts"
import * as WorkloadIdentity from "../src/WorkloadIdentity.ts"
import { json, platformServer } from "./support/platformServer.ts"

type Source = Effect.Effect<Redacted.Redacted, RefreshError, FileSystem.FileSystem | HttpClient.HttpClient>

const Live = Layer.merge(NodeFileSystem.layer, FetchHttpClient.layer)
const read = (source: Source) => Effect.provide(Effect.map(source, Redacted.value), Live)
const messageOf = (source: Source) =>
  Effect.provide(
    Effect.map(Effect.flip(source), ({ message }) => message),
    Live
  )

const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "projected-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

describe("a projected file", () => {
  it.scoped("is read anew whenever a token is exchanged, also while the platform replaces it", () =>
    Effect.gen(function* () {
      const file = path.join(yield* temporary, "token")
      fs.writeFileSync(file, "t1\n")
      const server = Testing.authorizationServer({
        grants: { "urn:ietf:params:oauth:grant-type:token-exchange": (_, issue) => issue() }
      })
      yield* Effect.gen(function* () {
        const credentials = yield* Credentials.make(
          TokenExchange.make({
            tokenEndpoint: server.tokenEndpoint.url,
            subjectToken: WorkloadIdentity.file(file),
            subjectTokenType: "jwt"
          })
        )
        const first = yield* credentials.token
        fs.writeFileSync(`${file}.new`, "t2")
        fs.renameSync(`${file}.new`, file)
        yield* credentials.renew(first)
      }).pipe(Effect.provide(server.layer), Effect.provide(NodeFileSystem.layer))
      assert.deepStrictEqual(
        server.tokenEndpoint.requests.map(({ parameters }) => parameters["subject_token"]),
        ["t1", "t2"]
      )
    })
  )

  it.scoped("proves who a client is, read anew at every attempt", () =>
    Effect.gen(function* () {
      const file = path.join(yield* temporary, "token")
      fs.writeFileSync(file, "federated")
      const server = Testing.authorizationServer()
      yield* Effect.scoped(
        Effect.flatMap(
          Credentials.make(
            ClientCredentials.make({
              tokenEndpoint: server.tokenEndpoint.url,
              clientId: "me",
              authentication: ClientAuthentication.assertion(
                WorkloadIdentity.file(file).pipe(Effect.provide(NodeFileSystem.layer))
              )
            })
          ),
          (credentials) => credentials.token
        )
      ).pipe(Effect.provide(server.layer), Effect.ignore)
      const { parameters } = server.tokenEndpoint.requests[0]!
      assert.deepStrictEqual(
        [parameters["client_id"], parameters["client_assertion"], parameters["client_assertion_type"]],
        ["me", "federated", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
      )
      const blank = yield* Effect.flip(ClientAuthentication.assertion(" ").check("ClientCredentials"))
      assert.strictEqual(blank.option, "assertion")
    })
  )

  it.scoped("that is missing, empty or no token says so, and is not quoted", () =>
    Effect.gen(function* () {
      const folder = yield* temporary
      const file = path.join(folder, "token")
      assert.include(
        yield* messageOf(WorkloadIdentity.file(file)),
        "is not there: check the path, and that it is mounted"
      )
      assert.include(yield* messageOf(WorkloadIdentity.file(folder)), "cannot be read")
      for (const [content, description] of [
        [" \n", "is empty"],
        ["c4nary\nc4nary", "holds something else than one token"],
        ["c4nary x", "holds something else than one token"],
        ["c4naryü", "holds something else than one token"],
        ["c4nary".repeat(20_000), "holds something else than one token"]
      ] as const) {
        fs.writeFileSync(file, content)
        const message = yield* messageOf(WorkloadIdentity.file(file))
        assert.include(message, description)
        assert.notInclude(message, "c4nary")
      }
    })
  )

  it.scoped("of JSON has the token at a path", () =>
    Effect.gen(function* () {
      const file = path.join(yield* temporary, "token.json")
      fs.writeFileSync(file, `{"credentials":{"token":"t1ken"},"c4nary":1}`)
      assert.strictEqual(yield* read(WorkloadIdentity.file(file, { path: "credentials.token" })), "t1ken")
      const message = yield* messageOf(WorkloadIdentity.file(file, { path: "token" }))
      assert.include(message, "has no token")
      assert.notInclude(message, "c4nary")
    })
  )
})

describe("a URL", () => {
  it.scoped("has the token as its whole answer, or at a path in JSON, and is asked with the headers it wants", () =>
    Effect.gen(function* () {
      const { asked, origin } = yield* platformServer(({ url }, response) =>
        url === "/text" ? void response.end("t0ken\n") : json(response, { credentials: { token: "t1ken" } })
      )
      assert.strictEqual(yield* read(WorkloadIdentity.url({ url: `${origin}/text` })), "t0ken")
      const headers = { "X-Flavor": "mine", authorization: Redacted.make("Bearer c4nary") }
      const nested = WorkloadIdentity.url({ url: `${origin}/json`, path: "credentials.token", headers })
      assert.strictEqual(yield* read(nested), "t1ken")
      assert.deepStrictEqual(
        [asked[1]!.headers["x-flavor"], asked[1]!.headers["authorization"]],
        ["mine", "Bearer c4nary"]
      )
    })
  )

  it.scopedLive("is asked again if that may help, and no longer than three times", () =>
    Effect.gen(function* () {
      const flaky = yield* platformServer((_, response, nth) =>
        nth === 1 ? response.writeHead(503).end() : nth === 2 ? response.destroy() : response.end("t0ken")
      )
      assert.strictEqual(yield* read(WorkloadIdentity.url({ url: flaky.origin })), "t0ken")
      const hanging = yield* platformServer(() => undefined)
      const error = yield* Effect.flip(WorkloadIdentity.url({ url: hanging.origin, timeLimit: "200 millis" })).pipe(
        Effect.provide(FetchHttpClient.layer)
      )
      assert.strictEqual(error.reason._tag, "Timeout")
      assert.strictEqual(hanging.asked.length, 3)
    })
  )

  it.scoped("that is refused, redirects or answers something else is an error that quotes no secret (S003)", () =>
    Effect.gen(function* () {
      const other = yield* platformServer((_, response) => void response.end("stolen"))
      const { origin } = yield* platformServer(({ url }, response) => {
        if (url === "/redirect") response.writeHead(307, { location: other.origin }).end()
        else if (url === "/refused") json(response, { error: "denied", error_description: "no c4nary-1234 here" }, 400)
        else if (url === "/list") json(response, ["c4nary"])
        else json(response, { token: 7, other: "c4nary" })
      })
      const headers = { authorization: Redacted.make("Bearer c4nary-1234") }
      for (const [where, path, description] of [
        ["/redirect", undefined, "redirects are never followed"],
        ["/refused", undefined, "withheld, because it quotes a secret"],
        ["/list", "token", "has no token"],
        ["/number", "token", "has no token"],
        ["/number", "a.b", "has no a.b"],
        ["/number", undefined, "holds something else than one token"]
      ] as const) {
        const message = yield* messageOf(WorkloadIdentity.url({ url: origin + where, path, headers }))
        assert.include(message, description, where)
        assert.notInclude(message, "c4nary")
      }
      assert.strictEqual(other.asked.length, 0)
    })
  )

  it.effect.each([
    "http://example.com/token",
    "http://169.254.169.254.example.com/",
    "ftp://127.0.0.1/",
    "/token",
    "http://user:pass@127.0.0.1/",
    "http://127.0.0.1/#x"
  ])("%s is never asked (S259)", (url) =>
    Effect.map(messageOf(WorkloadIdentity.url({ url })), (message) =>
      assert.include(message, "the address to ask must be an absolute https URL")
    )
  )
})

describe("GitHub Actions", () => {
  const within = (variables: Record<string, string>) =>
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

  it.scoped("hands out a token for an audience, to who shows the runner's", () =>
    Effect.gen(function* () {
      const { asked, origin } = yield* platformServer(({ headers }, response) =>
        headers.authorization === "Bearer runner"
          ? json(response, { count: 1, value: "job.jwt.x" })
          : json(response, {}, 401)
      )
      const runner = {
        ACTIONS_ID_TOKEN_REQUEST_URL: `${origin}/oidc?api-version=2.0`,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: "runner"
      }
      assert.strictEqual(
        yield* read(WorkloadIdentity.gitHubActions({ audience: "api://a b" })).pipe(within(runner)),
        "job.jwt.x"
      )
      yield* read(WorkloadIdentity.gitHubActions()).pipe(within(runner))
      assert.deepStrictEqual(
        asked.map(({ url }) => url),
        ["/oidc?api-version=2.0&audience=api%3A%2F%2Fa+b", "/oidc?api-version=2.0"]
      )
    })
  )

  it.effect("elsewhere says what is missing, and asks nobody", () =>
    Effect.gen(function* () {
      const source = WorkloadIdentity.gitHubActions()
      assert.include(yield* messageOf(source).pipe(within({})), "ACTIONS_ID_TOKEN_REQUEST_URL is not set")
      const half = { ACTIONS_ID_TOKEN_REQUEST_URL: "https://runner.test", ACTIONS_ID_TOKEN_REQUEST_TOKEN: " " }
      assert.include(yield* messageOf(source).pipe(within(half)), "ACTIONS_ID_TOKEN_REQUEST_TOKEN is not set")
    })
  )
})
