import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import {
  Cause,
  Chunk,
  DateTime,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Redacted,
  Stream,
  TestClock
} from "effect"
import { inspect } from "node:util"
import * as AuthenticatedHttpClient from "../src/AuthenticatedHttpClient.ts"
import * as Credentials from "../src/Credentials.ts"
import type { RefreshError, RefreshErrorReason } from "../src/CredentialsError.ts"
import * as IdToken from "../src/IdToken.ts"
import * as AuthorizationCode from "../src/providers/AuthorizationCode.ts"
import * as DeviceAuthorization from "../src/providers/DeviceAuthorization.ts"
import type { Need } from "../src/Provider.ts"
import * as Testing from "../src/Testing.ts"
import type { Token } from "../src/Token.ts"

type Form = Record<string, string | ReadonlyArray<string>>

const post = (url: string, form: Form, prepare = (request: HttpClientRequest.HttpClientRequest) => request) =>
  HttpClient.execute(prepare(HttpClientRequest.post(url).pipe(HttpClientRequest.bodyUrlParams(form))))

/** Posts a form and reads the answer. */
const ask = (url: string, form: Form, prepare?: Parameters<typeof post>[2]) =>
  Effect.gen(function* () {
    const response = yield* post(url, form, prepare)
    const text = yield* response.text
    return { status: response.status, headers: response.headers, json: text === "" ? undefined : JSON.parse(text) }
  })

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
const app = { grant_type: "client_credentials", client_id: "app" }

/** Asks a server's token endpoint. */
const token = (server: Testing.TestServer, form: Form, prepare?: Parameters<typeof post>[2]) =>
  Effect.provide(ask(server.tokenEndpoint.url, form, prepare), server.layer)

const callApi = (server: Testing.TestServer, accessToken?: string | Redacted.Redacted, path = "/items") =>
  server.client.execute(
    HttpClientRequest.get(server.api.url + path).pipe(
      accessToken === undefined ? (request) => request : HttpClientRequest.bearerToken(accessToken)
    )
  )

const renewed = (server: Testing.TestServer, refreshToken: string, more: Form = {}) =>
  token(server, { grant_type: "refresh_token", refresh_token: refreshToken, ...more })

describe("ID tokens", () => {
  const people = (idToken?: Testing.IssueOptions["idToken"]) =>
    Testing.authorizationServer({
      grants: { login: (_, issue) => issue({ subject: "ada", idToken }) }
    })
  const login = { grant_type: "login", client_id: "app", scope: "openid" }

  it.effect("come with a login that asks for openid, and with its renewals, signed with the published key", () =>
    Effect.gen(function* () {
      const server = people({ email: "ada@example.com", nonce: "n-1" })
      const { json } = yield* token(server, login)
      const { verify } = IdToken.verifier({ server: server.issuer, clientId: "app" })
      const check = (answer: { readonly access_token: string; readonly id_token: string }) =>
        Effect.provide(verify(answer.id_token, { nonce: "n-1", accessToken: answer.access_token }), server.layer)
      const claims = yield* check(json)
      expect([claims.subject, claims.email]).toEqual(["ada", Option.some("ada@example.com")])
      expect((yield* check((yield* renewed(server, "rt-1", { client_id: "app" })).json)).subject).toBe("ada")
      const seen = yield* server.login({ clientId: "app", subject: "eve", scope: ["openid"] })
      const idToken = Option.getOrThrow(seen.idToken)
      expect((yield* Effect.provide(verify(idToken), server.layer)).subject).toBe("eve")
      expect(server.keys.requests).toHaveLength(1)
      const other = IdToken.verifier({ server: people().issuer, clientId: "app" })
      expect(Exit.isFailure(yield* Effect.exit(Effect.provide(other.verify(idToken), people().layer)))).toBe(true)
    })
  )

  it.effect("come with nothing else", () =>
    Effect.gen(function* () {
      for (const [server, form] of [
        [people(), { ...app, scope: "openid" }],
        [people(), { ...login, scope: "read" }],
        [people(false), login]
      ] as const) {
        expect((yield* token(server, form)).json).not.toHaveProperty("id_token")
      }
    })
  )
})

describe("tokens", () => {
  it.effect("are issued to a client, numbered, with the lifetime and the scope that was asked for", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      const first = yield* token(server, { ...app, scope: "read write" })
      expect(first).toMatchObject({
        status: 200,
        headers: { "content-type": "application/json", "cache-control": "no-store" },
        json: { access_token: "at-1", token_type: "Bearer", expires_in: 3600, scope: "read write" }
      })
      expect(first.json).not.toHaveProperty("refresh_token")
      expect((yield* token(server, app)).json).toEqual({ access_token: "at-2", token_type: "Bearer", expires_in: 3600 })
      expect(server.issued.map(({ scope }) => scope)).toEqual([["read", "write"], []])
    })
  )

  it.effect("work at the API until they expire by the fiber's clock", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ lifetime: "5 minutes" })
      yield* token(server, { ...app, scope: "read" })
      const response = yield* callApi(server, "at-1")
      expect(yield* response.json).toEqual({ clientId: "app", subject: "app", scope: ["read"] })
      yield* TestClock.adjust("299 seconds")
      expect((yield* callApi(server, "at-1")).status).toBe(200)
      yield* TestClock.adjust("1 second")
      const refused = yield* callApi(server, "at-1")
      expect(refused.status).toBe(401)
      expect(refused.headers["www-authenticate"]).toBe(`Bearer error="invalid_token"`)
    })
  )

  it.effect("that nobody issued and requests without one are refused, the latter without an error code", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      expect((yield* callApi(server, "at-1")).headers["www-authenticate"]).toBe(`Bearer error="invalid_token"`)
      expect((yield* callApi(server)).headers["www-authenticate"]).toBe("Bearer")
      expect(server.api.requests).toHaveLength(2)
    })
  )

  it.effect("can be revoked all at once, and the next ones work", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      yield* token(server, app)
      server.revokeAccessTokens()
      expect((yield* callApi(server, "at-1")).status).toBe(401)
      yield* token(server, app)
      expect((yield* callApi(server, "at-2")).status).toBe(200)
    })
  )

  it.effect("are called as the test says", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ mint: (kind, nth) => `${kind}#${nth}`, refreshTokens: true })
      expect((yield* token(server, app)).json).toMatchObject({
        access_token: "access#1",
        refresh_token: "refresh#1"
      })
    })
  )

  it.effect("look like JWTs where that is asked for", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ format: "jwt", lifetime: "1 minute" })
      yield* TestClock.setTime(5_000)
      const { json } = yield* token(server, { ...app, scope: "read" })
      const parts: Array<string> = json.access_token.split(".")
      expect(parts).toHaveLength(3)
      expect(JSON.parse(atob(parts[1]!))).toEqual({
        iss: "https://id.test",
        sub: "app",
        client_id: "app",
        scope: "read",
        iat: 5,
        exp: 65,
        jti: "at-1"
      })
      expect((yield* callApi(server, json.access_token)).status).toBe(200)
    })
  )

  it.effect("come with further members, or without some", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ extra: { id_token: "who", expires_in: undefined } })
      expect((yield* token(server, app)).json).toEqual({ access_token: "at-1", token_type: "Bearer", id_token: "who" })
    })
  )

  it.effect("hold the scopes that the server grants, and none is refused", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ scopes: ["read", "list"] })
      expect((yield* token(server, { ...app, scope: "read admin" })).json.scope).toBe("read")
      expect((yield* token(server, app)).json.scope).toBe("read list")
      expect(yield* token(server, { ...app, scope: "admin" })).toMatchObject({
        status: 400,
        json: { error: "invalid_scope" }
      })
    })
  )

  it.effect("live for ever when told so", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ lifetime: Infinity })
      expect((yield* token(server, app)).json).not.toHaveProperty("expires_in")
      expect(Option.isNone(server.issued[0]!.expiresAt)).toBe(true)
      yield* TestClock.adjust("1000 days")
      expect((yield* callApi(server, "at-1")).status).toBe(200)
    })
  )
})

describe("client authentication", () => {
  const client = { clientId: "a:pp", clientSecret: Redacted.make("s3 cr+t&%") }
  const make = () =>
    Testing.authorizationServer({ clients: [client, { clientId: "cli" }, { clientId: "x", clientSecret: "y" }] })
  const grant = { grant_type: "client_credentials" }
  const basic = (pair: string) => HttpClientRequest.setHeader("authorization", `Basic ${btoa(pair)}`)

  it.effect("takes the secret by Basic, form-encoded, and in the body", () =>
    Effect.gen(function* () {
      const server = make()
      expect((yield* token(server, grant, basic("a%3App:s3+cr%2Bt%26%25"))).status).toBe(200)
      const inBody = { ...grant, client_id: "a:pp", client_secret: "s3 cr+t&%" }
      expect((yield* token(server, inBody)).status).toBe(200)
      expect((yield* token(server, { ...grant, client_id: "x", client_secret: "y" })).status).toBe(200)
      expect((yield* token(server, { ...grant, client_id: "cli" })).status).toBe(200)
    })
  )

  it.each([
    ["a wrong secret", { client_id: "x", client_secret: "z" }, undefined],
    ["a missing secret", { client_id: "a:pp" }, undefined],
    ["an unknown client", { client_id: "nobody", client_secret: "y" }, undefined],
    ["no client", {}, undefined],
    ["a secret of a client that has none", { client_id: "cli", client_secret: "y" }, undefined],
    ["a wrong secret by Basic", {}, "x:z"],
    ["a secret that is not form-encoded", {}, "a%3App:s3 cr+t&%"],
    ["Basic without a colon", {}, "x"],
    ["two different clients", { client_id: "cli" }, "x:y"]
  ])("refuses %s with 401 invalid_client", async (_, form, pair) => {
    const server = make()
    const answer = await Effect.runPromise(
      token(server, { ...grant, ...form } as Form, pair === undefined ? undefined : basic(pair))
    )
    expect(answer).toMatchObject({ status: 401, json: { error: "invalid_client" } })
    expect(answer.headers["www-authenticate"]).toBe(pair === undefined ? undefined : `Basic realm="https://id.test"`)
    expect(server.issued).toHaveLength(0)
  })

  it.effect("refuses two methods at once", () =>
    Effect.gen(function* () {
      const answer = yield* token(make(), { ...grant, client_id: "x", client_secret: "y" }, basic("x:y"))
      expect(answer).toMatchObject({ status: 400, json: { error: "invalid_request" } })
    })
  )

  it.effect("wants a client for the client-credentials grant even where it takes any", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      expect((yield* token(server, grant)).status).toBe(401)
      expect((yield* token(server, grant, basic("any:thing"))).status).toBe(200)
    })
  )
})

describe("requests to the token endpoint", () => {
  it.each<[string, Form, string]>([
    ["without a grant type", { client_id: "app" }, "invalid_request"],
    ["with an empty grant type", { client_id: "app", grant_type: "" }, "invalid_request"],
    ["with a grant it does not know", { client_id: "app", grant_type: "password" }, "unsupported_grant_type"],
    [
      "with a grant called like a property of objects",
      { client_id: "a", grant_type: "toString" },
      "unsupported_grant_type"
    ],
    ["with a parameter that comes twice", { ...app, scope: ["a", "b"] }, "invalid_request"],
    ["to renew without a refresh token", { grant_type: "refresh_token" }, "invalid_request"]
  ])("%s are refused", async (_, form, error) => {
    const answer = await Effect.runPromise(token(Testing.authorizationServer(), form))
    expect(answer).toMatchObject({ status: 400, json: { error } })
  })

  it.effect("may repeat the resource and the audience", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      expect((yield* token(server, { ...app, resource: ["https://a", "https://b"] })).status).toBe(200)
      expect(server.requests[0]!.parameters["resource"]).toBe("https://a https://b")
    })
  )

  it.effect("may be JSON, and must be POST", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      const json = HttpClientRequest.bodyUnsafeJson({ ...app, audience: ["a", "b"], max_age: 5 })
      const request = json(HttpClientRequest.post(server.tokenEndpoint.url))
      expect((yield* server.client.execute(request)).status).toBe(200)
      expect(server.requests[0]!.parameters).toEqual({ ...app, audience: "a b", max_age: "5" })
      expect((yield* server.client.get(server.tokenEndpoint.url)).status).toBe(405)
    })
  )

  it.effect("may be streamed", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      const bytes = new TextEncoder().encode("grant_type=client_credentials&client_id=app")
      const form = { contentType: "application/x-www-form-urlencoded" }
      const request = HttpClientRequest.bodyStream(
        HttpClientRequest.post(server.tokenEndpoint.url),
        Stream.fromIterable([bytes.subarray(0, 20), bytes.subarray(20)]),
        form
      )
      expect((yield* server.client.execute(request)).status).toBe(200)
      expect(server.requests[0]!.parameters).toEqual(app)
      const broken = HttpClientRequest.bodyStream(request, Stream.fail("disk"), form)
      expect(yield* Effect.flip(server.client.execute(broken))).toMatchObject({ reason: "Transport" })
      expect(server.requests).toHaveLength(1)
    })
  )
})

describe("refresh tokens", () => {
  it.effect("are used once and replaced", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ refreshTokens: true })
      expect((yield* token(server, { ...app, scope: "read write" })).json.refresh_token).toBe("rt-1")
      expect(yield* renewed(server, "rt-1", { client_id: "app", scope: "read" })).toMatchObject({
        status: 200,
        json: { access_token: "at-2", refresh_token: "rt-2", scope: "read" }
      })
      // The narrower scope was that of one access token: the session keeps its own.
      expect((yield* renewed(server, "rt-2", { client_id: "app" })).json.scope).toBe("read write")
      expect(server.reuseDetected).toBe(0)
    })
  )

  it.effect("offered a second time end the whole session, access tokens included, and no other", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      yield* server.login()
      yield* server.login()
      yield* renewed(server, "rt-1")
      expect(yield* renewed(server, "rt-1")).toMatchObject({ status: 400, json: { error: "invalid_grant" } })
      expect(server.reuseDetected).toBe(1)
      expect((yield* renewed(server, "rt-3")).json.error).toBe("invalid_grant")
      expect((yield* callApi(server, "at-1")).status).toBe(401)
      expect((yield* callApi(server, "at-3")).status).toBe(401)
      expect((yield* callApi(server, "at-2")).status).toBe(200)
      expect((yield* renewed(server, "rt-2")).status).toBe(200)
      expect(server.reuseDetected).toBe(1)
    })
  )

  it.effect("work again within the reuse window", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ reuseWindow: "1 minute" })
      yield* server.login()
      yield* renewed(server, "rt-1")
      yield* TestClock.adjust("59 seconds")
      expect((yield* renewed(server, "rt-1")).json.refresh_token).toBe("rt-3")
      yield* TestClock.adjust("1 second")
      expect((yield* renewed(server, "rt-1")).json.error).toBe("invalid_grant")
      expect(server.reuseDetected).toBe(1)
    })
  )

  it.effect("stay as they are without rotation, and answers hold none", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ rotation: false })
      yield* server.login()
      for (const _ of [1, 2, 3]) {
        const { json, status } = yield* renewed(server, "rt-1")
        expect(status).toBe(200)
        expect(json).not.toHaveProperty("refresh_token")
      }
      server.endSessions()
      expect((yield* renewed(server, "rt-1")).json.error).toBe("invalid_grant")
      expect((yield* callApi(server, "at-4")).status).toBe(401)
    })
  )

  it.effect("expire, belong to a client, and never widen the scope", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ refreshTokenLifetime: "1 day" })
      yield* server.login({ clientId: "app", scope: ["read"] })
      expect((yield* renewed(server, "rt-1", { client_id: "other" })).json.error).toBe("invalid_grant")
      expect((yield* renewed(server, "rt-1", { client_id: "app", scope: "read admin" })).json.error).toBe(
        "invalid_scope"
      )
      expect((yield* renewed(server, "rt-9", { client_id: "app" })).json.error).toBe("invalid_grant")
      yield* TestClock.adjust("1 day")
      expect((yield* renewed(server, "rt-1", { client_id: "app" })).json.error).toBe("invalid_grant")
      expect(server.reuseDetected).toBe(0)
    })
  )
})

describe("a login", () => {
  it.effect("gives a token as the server would have issued it", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      yield* TestClock.setTime(1_000)
      const token = yield* server.login({ subject: "ada", scope: ["read"], lifetime: "10 seconds" })
      expect(token).toMatchObject({
        tokenType: "bearer",
        issuedAt: DateTime.unsafeMake(1_000),
        expiresAt: Option.some(DateTime.unsafeMake(11_000)),
        scope: ["read"]
      })
      expect(Option.map(token.refreshToken, Redacted.value)).toEqual(Option.some("rt-1"))
      const response = yield* callApi(server, token.accessToken)
      expect(yield* response.json).toEqual({ subject: "ada", scope: ["read"] })
      expect(server.issued).toEqual([token])
      expect(Option.isNone((yield* server.login({ refreshToken: false })).refreshToken)).toBe(true)
    })
  )
})

describe("other grants", () => {
  it.effect("are answered by functions, which issue tokens for the authenticated client", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({
        clients: [{ clientId: "app", clientSecret: "s" }],
        grants: {
          password: ({ parameters }, issue) =>
            parameters["password"] === "swordfish"
              ? issue({ subject: parameters["username"], extra: { id_token: "ada's" } })
              : Effect.succeed(Testing.refuse("invalid_grant", "wrong password"))
        }
      })
      const login = { grant_type: "password", client_id: "app", client_secret: "s", username: "ada", scope: "read" }
      expect((yield* token(server, { ...login, password: "swordfish" })).json).toEqual({
        access_token: "at-1",
        token_type: "Bearer",
        expires_in: 3600,
        refresh_token: "rt-1",
        scope: "read",
        id_token: "ada's"
      })
      const response = yield* callApi(server, "at-1")
      expect(yield* response.json).toEqual({ clientId: "app", subject: "ada", scope: ["read"] })
      expect(yield* token(server, { ...login, password: "x" })).toMatchObject({
        status: 400,
        json: { error: "invalid_grant", error_description: "wrong password" }
      })
      expect((yield* token(server, { ...login, client_secret: "t" })).status).toBe(401)
    })
  )

  it.effect("may take their time: what they issue counts from the moment they do", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({
        grants: { wait: (_, issue) => Effect.delay(issue(), "5 minutes") }
      })
      const fiber = yield* Effect.fork(token(server, { grant_type: "wait" }))
      yield* TestClock.adjust("5 minutes")
      expect((yield* Fiber.join(fiber)).status).toBe(200)
      expect(server.issued[0]!.issuedAt).toEqual(DateTime.unsafeMake(300_000))
    })
  )
})

describe("revocation and introspection", () => {
  it.effect("a token given back no longer works; a refresh token takes its session along; unknown ones are fine", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      const revoke = (token: string) => Effect.provide(ask(server.revocationEndpoint.url, { token }), server.layer)
      yield* server.login()
      yield* server.login()
      expect((yield* revoke("at-1")).status).toBe(200)
      expect((yield* callApi(server, "at-1")).status).toBe(401)
      expect((yield* renewed(server, "rt-1")).status).toBe(200)
      yield* revoke("rt-2")
      expect((yield* callApi(server, "at-2")).status).toBe(401)
      expect((yield* renewed(server, "rt-2")).json.error).toBe("invalid_grant")
      expect((yield* revoke("never seen")).status).toBe(200)
      expect((yield* revoke("")).json.error).toBe("invalid_request")
      expect(server.revoked.map(Redacted.value)).toEqual(["at-1", "rt-2", "never seen"])
      expect(server.reuseDetected).toBe(0)
    })
  )

  it.effect("introspection tells live tokens from all others", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      const introspect = (token: string) =>
        Effect.map(Effect.provide(ask(server.introspectionEndpoint.url, { token }), server.layer), ({ json }) => json)
      yield* server.login({ clientId: "app", subject: "ada", scope: ["read", "write"] })
      const who = { active: true, client_id: "app", sub: "ada", scope: "read write", iss: "https://id.test" }
      expect(yield* introspect("at-1")).toEqual({ ...who, token_type: "Bearer", iat: 0, exp: 3600 })
      expect(yield* introspect("rt-1")).toEqual(who)
      yield* renewed(server, "rt-1", { client_id: "app" })
      expect(yield* introspect("rt-1")).toEqual({ active: false })
      yield* TestClock.adjust("1 hour")
      expect(yield* introspect("at-1")).toEqual({ active: false })
      expect(yield* introspect("")).toEqual({ active: false })
    })
  )

  it.effect("both want the client to prove itself", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ clients: [{ clientId: "app", clientSecret: "s" }] })
      yield* server.login()
      for (const { url } of [server.revocationEndpoint, server.introspectionEndpoint]) {
        expect((yield* Effect.provide(ask(url, { token: "at-1" }), server.layer)).status).toBe(401)
      }
      expect((yield* callApi(server, "at-1")).status).toBe(200)
    })
  )
})

describe("discovery", () => {
  it.each([
    ["https://id.test", "https://id.test/.well-known/oauth-authorization-server", "https://id.test/token"],
    ["https://id.test/", "https://id.test/.well-known/oauth-authorization-server", "https://id.test/token"],
    ["https://id.test/a/b", "https://id.test/.well-known/oauth-authorization-server/a/b", "https://id.test/a/b/token"]
  ])("of %s answers at both well-known paths, the issuer as it was given", async (issuer, rfc8414, endpoint) => {
    const server = Testing.authorizationServer({ issuer, metadata: { device_authorization_endpoint: "d" } })
    for (const url of [server.discovery.url, rfc8414]) {
      const response = await Effect.runPromise(server.client.get(url))
      expect(await Effect.runPromise(response.json)).toMatchObject({
        issuer,
        token_endpoint: endpoint,
        device_authorization_endpoint: "d"
      })
    }
    expect(server.discovery.requests).toHaveLength(2)
    expect(server.tokenEndpoint.url).toBe(endpoint)
  })
})

describe("a login with a second device", () => {
  const need: Need = { previous: Option.none(), validFor: Duration.zero, interaction: "allowed" }
  const told = (server: Testing.TestServer, prompt: (login: DeviceAuthorization.Login) => Effect.Effect<unknown>) =>
    DeviceAuthorization.make({ issuer: server.issuer, clientId: "tool", scope: ["read"], prompt })
      .acquire(need)
      .pipe(Effect.provide(server.layer), Effect.exit, Effect.fork)
  const tokenOf = (exit: Exit.Exit<Token, RefreshError>) => {
    if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
    return exit.value
  }

  it.effect("is approved by a function call, with the code or the address, by whom the test says", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ clients: [{ clientId: "tool" }] })
      for (const where of [
        (login: DeviceAuthorization.Login) => login.userCode.toLowerCase(),
        (login: DeviceAuthorization.Login) => Option.getOrThrow(login.verificationUriComplete)
      ]) {
        const fiber = yield* told(server, (login) => server.approve(where(login), { subject: "ada" }))
        yield* TestClock.adjust("5 seconds")
        const token = tokenOf(yield* Fiber.join(fiber))
        expect(token.scope).toEqual(["read"])
        const response = yield* callApi(server, token.accessToken)
        expect(yield* response.json).toMatchObject({ clientId: "tool", subject: "ada" })
        expect(Option.isSome(token.refreshToken)).toBe(true)
      }
      expect(server.deviceAuthorizationEndpoint.requests).toHaveLength(2)
    })
  )

  it.effect("waits until then, wants to be asked every five seconds, and ends with the code", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      const fiber = yield* told(server, () => Effect.void)
      yield* TestClock.adjust("12 seconds")
      expect(server.tokenEndpoint.requests).toHaveLength(2)
      yield* server.approve("TEST-0001")
      yield* TestClock.adjust("3 seconds")
      expect(Exit.isSuccess(yield* Fiber.join(fiber))).toBe(true)

      const poll = { grant_type: deviceGrant, client_id: "tool", device_code: "device-code-2" }
      yield* Effect.provide(ask(server.deviceAuthorizationEndpoint.url, { client_id: "tool" }), server.layer)
      expect((yield* token(server, poll)).json).toEqual({ error: "slow_down" })
      yield* TestClock.adjust("9 seconds")
      expect((yield* token(server, poll)).json).toEqual({ error: "slow_down" })
      yield* TestClock.adjust("15 seconds")
      expect((yield* token(server, poll)).json).toEqual({ error: "authorization_pending" })
      expect((yield* token(server, { ...poll, client_id: "other" })).json).toEqual({ error: "invalid_grant" })
      yield* TestClock.adjust("10 minutes")
      expect((yield* token(server, poll)).json).toEqual({ error: "expired_token" })
      expect(Exit.isFailure(yield* Effect.exit(server.approve("TEST-0002")))).toBe(true)
    })
  )

  it.effect("is spent once, and denied for good", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      const begin = Effect.provide(ask(server.deviceAuthorizationEndpoint.url, { client_id: "tool" }), server.layer)
      const poll = (nth: number) =>
        token(server, { grant_type: deviceGrant, client_id: "tool", device_code: `device-code-${nth}` })
      yield* begin
      yield* begin
      yield* server.approve("TEST-0001")
      yield* server.deny("TEST-0002")
      expect(yield* poll(1)).toMatchObject({ status: 200 })
      expect((yield* poll(1)).json).toEqual({ error: "invalid_grant" })
      expect((yield* poll(2)).json).toEqual({ error: "access_denied" })
      expect((yield* poll(2)).json).toEqual({ error: "invalid_grant" })
      for (const login of ["TEST-0001", "TEST-0003", "https://id.test/device", "https://elsewhere.test/"]) {
        const exit = yield* Effect.exit(server.approve(login))
        expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("no login waits for a decision")
      }
    })
  )
})

describe("a login in a browser", () => {
  const web = (server: Testing.TestServer) => ({
    issuer: server.issuer,
    clientId: "shop",
    scope: ["openid", "read"],
    redirectUri: "https://shop.test/callback?a=b"
  })
  const started = (server: Testing.TestServer) => Effect.provide(AuthorizationCode.start(web(server)), server.layer)
  const ended = (server: Testing.TestServer, login: AuthorizationCode.Login, callback: string) =>
    Effect.either(Effect.provide(AuthorizationCode.exchangeCode(web(server), login, callback), server.layer))

  it.effect("whose redirect is the program's ends at that address, with an ID token of this login", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ clients: [{ clientId: "shop" }] })
      const login = yield* started(server)
      const callback = yield* server.approve(login.url, { subject: "ada", extra: { example: 1 } })
      expect(callback).toMatch(/^https:\/\/shop\.test\/callback\?a=b&code=code-1&state=/)
      const answer = yield* ended(server, login, callback)
      expect(answer).toMatchObject({ _tag: "Right", right: { scope: ["openid", "read"] } })
      expect(yield* (yield* callApi(server, "at-1")).json).toMatchObject({ subject: "ada", clientId: "shop" })
    })
  )

  it.effect("that is denied says so, and so does one for what nobody may have", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      const login = yield* started(server)
      const answer = yield* ended(server, login, yield* server.deny(login.url))
      expect(answer).toMatchObject({ left: { reason: { _tag: "Interaction", kind: "Denied" } } })
      const strict = Testing.authorizationServer({ scopes: ["write"] })
      expect(yield* strict.approve((yield* started(strict)).url)).toContain("error=invalid_scope")
      const closed = Testing.authorizationServer({ clients: [{ clientId: "other" }] })
      const exit = yield* Effect.exit(closed.approve((yield* started(closed)).url))
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("no client that is known")
    })
  )

  it.effect("has a code for this client, redirect URI and verifier, for a minute, and once", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      const redeem = (login: AuthorizationCode.Login, code: string, more: Form = {}) =>
        token(server, {
          grant_type: "authorization_code",
          client_id: "shop",
          code,
          redirect_uri: login.redirectUri,
          code_verifier: Redacted.value(login.verifier),
          ...more
        })
      const login = yield* started(server)
      yield* server.approve(login.url)
      for (const wrong of [
        { client_id: "other" },
        { redirect_uri: "https://shop.test/" },
        { code_verifier: "guessed" },
        { code_verifier: "" },
        { code: "code-2" }
      ]) {
        expect((yield* redeem(login, "code-1", wrong)).json.error, inspect(wrong)).toBe("invalid_grant")
      }
      expect((yield* redeem(login, "code-1")).status).toBe(200)
      expect((yield* callApi(server, "at-1")).status).toBe(200)
      // Somebody has it too: what it brought is worth nothing any more.
      expect((yield* redeem(login, "code-1")).status).toBe(400)
      expect((yield* callApi(server, "at-1")).status).toBe(401)
      yield* server.approve(login.url)
      yield* TestClock.adjust("1 minute")
      expect((yield* redeem(login, "code-2")).status).toBe(400)
    })
  )

  it.effect("on this machine is approved by a browser, whose next page is the program's own", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      const provider = AuthorizationCode.make({
        issuer: server.issuer,
        clientId: "tool",
        scope: ["openid"],
        show: () => Effect.void,
        open: server.browser({ subject: "ada" })
      })
      const need: Need = { previous: Option.none(), validFor: Duration.zero, interaction: "allowed" }
      const token = yield* Effect.provide(provider.acquire(need), server.layer)
      const { verify } = IdToken.verifier({ server: server.issuer, clientId: "tool" })
      const claims = yield* Effect.provide(verify(Option.getOrThrow(token.idToken)), server.layer)
      expect(claims.subject).toBe("ada")
    })
  )

  it.effect("is the test's own business where it answers that grant", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({
        grants: { authorization_code: (_, issue) => issue(), [deviceGrant]: (_, issue) => issue() }
      })
      const { json } = yield* Effect.provide(
        Effect.flatMap(HttpClient.get(server.discovery.url), (response) =>
          Effect.map(response.json, (json) => ({ json: json as object }))
        ),
        server.layer
      )
      expect(json).not.toHaveProperty("authorization_endpoint")
      expect(json).not.toHaveProperty("device_authorization_endpoint")
      const begun = yield* Effect.provide(post(server.deviceAuthorizationEndpoint.url, app), server.layer)
      expect(begun.status).toBe(404)
    })
  )
})

describe("the API and everything else", () => {
  it.effect("the API answers with what it is given, to live tokens only", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({
        apiOrigin: "https://shop.test",
        api: (request, { subject }) => Effect.succeed({ json: [new URL(request.url).pathname, subject] })
      })
      yield* server.login({ subject: "ada" })
      expect(yield* (yield* callApi(server, "at-1", "/cart")).json).toEqual(["/cart", "ada"])
      expect((yield* callApi(server, "at-2", "/cart")).status).toBe(401)
    })
  )

  it.effect("routes answer on any origin, ahead of the API's protection, but no endpoint's requests", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const server = Testing.authorizationServer({
        routes: ({ url }) => {
          asked.push(url)
          return url.endsWith("/open") ? Effect.succeed({ text: "come in" }) : undefined
        }
      })
      expect(yield* (yield* callApi(server, undefined, "/open")).text).toBe("come in")
      expect((yield* server.client.get("https://elsewhere.test/open")).status).toBe(200)
      expect((yield* callApi(server, undefined, "/closed")).status).toBe(401)
      yield* token(server, app)
      expect(asked).toEqual(["https://api.test/open", "https://elsewhere.test/open", "https://api.test/closed"])
    })
  )

  it.effect("nothing answers elsewhere: the request fails as if the name could not be found, and is remembered", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      const error = yield* Effect.flip(server.client.get("https://elsewhere.test/a?token=s3cret"))
      expect(error).toMatchObject({
        _tag: "RequestError",
        reason: "Transport",
        description: "nothing answers at https://elsewhere.test",
        cause: { message: "fetch failed", cause: { code: "ENOTFOUND" } }
      })
      expect(server.requests.map(({ url }) => url)).toEqual(["https://elsewhere.test/a?token=s3cret"])
      expect((yield* server.client.get("https://id.test/elsewhere")).status).toBe(404)
    })
  )
})

describe("what an endpoint is told to answer", () => {
  it.effect("comes in order, processes nothing, and then it is back to normal", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      server.tokenEndpoint.answerNext(
        { status: 503, headers: { "retry-after": "7" } },
        { status: 502, text: "<html>", headers: { "content-type": "text/html" } }
      )
      server.tokenEndpoint.answerNext({ json: { error: "slow_down" } })
      const answers = [1, 2, 3].map(() => Effect.provide(post(server.tokenEndpoint.url, app), server.layer))
      const [first, second, third] = yield* Effect.all(answers)
      expect([first!.status, first!.headers["retry-after"]]).toEqual([503, "7"])
      expect([second!.status, yield* second!.text, second!.headers["content-type"]]).toEqual([
        502,
        "<html>",
        "text/html"
      ])
      expect([third!.status, yield* third!.json]).toEqual([200, { error: "slow_down" }])
      expect(server.issued).toHaveLength(0)
      expect((yield* token(server, app)).json.access_token).toBe("at-1")
      expect(server.tokenEndpoint.requests).toHaveLength(4)
    })
  )

  it.effect("holds for all requests until told otherwise, and for this endpoint only", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      yield* token(server, app)
      server.tokenEndpoint.answerAlways({ status: 500 })
      server.tokenEndpoint.answerNext(Testing.refuse("invalid_client"))
      expect((yield* token(server, app)).status).toBe(401)
      expect((yield* token(server, app)).status).toBe(500)
      expect((yield* token(server, app)).status).toBe(500)
      expect((yield* callApi(server, "at-1")).status).toBe(200)
      server.tokenEndpoint.answerAlways()
      expect((yield* token(server, app)).status).toBe(200)
    })
  )

  it.effect("may only be late: the work is done when the request arrives", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      server.tokenEndpoint.answerNext({ delay: "20 seconds", headers: { "x-slow": "yes" } })
      const fiber = yield* Effect.fork(token(server, app))
      yield* TestClock.adjust("19 seconds")
      expect(yield* Fiber.poll(fiber)).toEqual(Option.none())
      expect(server.issued).toHaveLength(1)
      yield* TestClock.adjust("1 second")
      expect(yield* Fiber.join(fiber)).toMatchObject({ headers: { "x-slow": "yes" }, json: { access_token: "at-1" } })
    })
  )

  it.effect("may never come", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      server.tokenEndpoint.answerNext({ delay: Infinity })
      const fiber = yield* Effect.fork(Effect.timeoutOption(token(server, app), "400 days"))
      yield* TestClock.adjust("400 days")
      expect(yield* Fiber.join(fiber)).toEqual(Option.none())
    })
  )

  it.effect("may be lost: before the work is done, after it, or in the middle of the body", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      const error = Effect.flip(token(server, app))
      server.tokenEndpoint.answerNext({ lost: "request" }, { lost: "answer" }, { lost: "body" })
      expect(yield* error).toMatchObject({ reason: "Transport", cause: { cause: { code: "ECONNREFUSED" } } })
      expect(server.issued).toHaveLength(0)
      expect(yield* error).toMatchObject({ reason: "Transport", cause: { cause: { code: "ECONNRESET" } } })
      expect(server.issued).toHaveLength(1)
      expect(yield* error).toMatchObject({ _tag: "ResponseError", reason: "Decode" })
      expect(server.issued).toHaveLength(2)
      server.tokenEndpoint.answerNext({ text: "abcdef", lost: "body" })
      const half = Effect.flatMap(post(server.tokenEndpoint.url, app), ({ stream }) =>
        Stream.runCollect(Stream.either(Stream.decodeText(stream)))
      )
      const [got, failure] = Chunk.toReadonlyArray(yield* Effect.provide(half, server.layer))
      expect(got).toMatchObject({ _tag: "Right", right: "abc" })
      expect(failure).toMatchObject({ _tag: "Left", left: { reason: "Decode" } })
    })
  )

  it.effect("holds for the API and for discovery as well", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      server.api.answerNext({ status: 429 })
      server.discovery.answerNext({ json: { issuer: "https://other.test" } })
      expect((yield* callApi(server, "at-1")).status).toBe(429)
      expect(yield* (yield* server.client.get(server.discovery.url)).json).toEqual({ issuer: "https://other.test" })
    })
  )
})

describe("responses", () => {
  const answered = (answer: Testing.Answer) => {
    const server = Testing.authorizationServer()
    server.api.answerNext(answer)
    return callApi(server)
  }

  it("can be read in every way without a turn of the event loop", () => {
    const text = Effect.runSync(answered({ text: `{"a":1}` }))
    expect(Effect.runSync(text.text)).toBe(`{"a":1}`)
    expect(Effect.runSync(text.json)).toEqual({ a: 1 })
    expect(new TextDecoder().decode(Effect.runSync(text.arrayBuffer))).toBe(`{"a":1}`)
    expect(Effect.runSync(Stream.mkString(Stream.decodeText(text.stream)))).toBe(`{"a":1}`)
    expect(Effect.runSync(Effect.flip(text.formData))).toMatchObject({ reason: "Decode" })
    const form = Effect.runSync(answered({ text: "a=1&b=2", headers: { "Set-Cookie": "c=3" } }))
    expect(Effect.runSync(form.urlParamsBody)).toEqual([
      ["a", "1"],
      ["b", "2"]
    ])
    expect(form.cookies.cookies).toHaveProperty("c")
  })

  it("without a body have no stream, and broken JSON is a Decode error", () => {
    const empty = Effect.runSync(answered({ status: 204 }))
    expect(Effect.runSync(empty.text)).toBe("")
    expect(Effect.runSync(empty.json)).toBe(null)
    expect(Effect.runSync(Effect.flip(Stream.runDrain(empty.stream)))).toMatchObject({ reason: "EmptyBody" })
    const broken = Effect.runSync(answered({ text: `{"a":` }))
    expect(Effect.runSync(Effect.flip(broken.json))).toMatchObject({ reason: "Decode" })
    expect(Effect.runSync(Stream.runCollect(Effect.runSync(answered({ text: "" })).stream)).length).toBe(1)
  })
})

describe("what is remembered", () => {
  it.effect("is when, where, how and with what", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer()
      yield* TestClock.setTime(60_000)
      yield* token(server, { ...app, client_secret: "s3cret" }, HttpClientRequest.setHeader("X-Id", "7"))
      const [seen] = server.requests
      expect(server.tokenEndpoint.requests).toEqual([seen])
      expect(seen).toMatchObject({ method: "POST", url: "https://id.test/token", at: DateTime.unsafeMake(60_000) })
      expect(seen!.headers["x-id"]).toBe("7")
      expect(seen!.parameters).toEqual({ ...app, client_secret: "s3cret" })
      expect(Redacted.value(seen!.body)).toBe("grant_type=client_credentials&client_id=app&client_secret=s3cret")
    })
  )

  it.effect("prints without secrets, and with what helps", () =>
    Effect.gen(function* () {
      const canaries = [
        "C4N4RY-secret",
        "C4N4RY-basic",
        "C4N4RY-key",
        "C4N4RY-query",
        "C4N4RY-access",
        "C4N4RY-refresh"
      ]
      const [secret, basic, key, query, access, refresh] = canaries
      const server = Testing.authorizationServer({
        mint: (kind) => (kind === "access" ? access! : refresh!),
        refreshTokens: true
      })
      const form = { ...app, client_secret: secret! }
      yield* token(server, form, HttpClientRequest.setHeader("x-my-key", key!))
      yield* token(server, app, HttpClientRequest.setHeader("authorization", `Basic ${basic}`))
      yield* Effect.ignore(callApi(server, access, `/items?key=${query}`))
      yield* Effect.provide(ask(server.revocationEndpoint.url, { token: refresh! }), server.layer)
      const exit = yield* Effect.exit(server.client.get("https://elsewhere.test"))
      const printed = [server, server.requests, server.requests.map(({ parameters }) => parameters)]
        .flatMap((value) => [inspect(value, { depth: 20, showHidden: true }), JSON.stringify(value), String(value)])
        .concat(server.requests.map(String), Exit.isFailure(exit) ? Cause.pretty(exit.cause) : [])
        .join("\n")
      expect(canaries.filter((canary) => printed.includes(canary))).toEqual([])
      for (const seen of ["client_credentials", "https://id.test/token", "https://api.test/items", "x-my-key"]) {
        expect(printed).toContain(seen)
      }
    })
  )

  it("is of one server only", () => {
    const one = Testing.authorizationServer()
    const other = Testing.authorizationServer()
    Effect.runSync(token(one, app))
    expect([one.requests.length, other.requests.length]).toEqual([1, 0])
    expect(Effect.runSync(callApi(other, "at-1")).status).toBe(401)
  })
})

describe("credentials for tests", () => {
  const text = ({ accessToken }: Token) => Redacted.value(accessToken)
  const minutes = (count: number) => TestClock.adjust(Duration.minutes(count))
  const down: RefreshErrorReason = { _tag: "Unavailable", status: 503 }
  const over = <A, E>(
    test: Testing.TestCredentials,
    use: (credentials: Credentials.Credentials) => Effect.Effect<A, E>
  ) => Effect.provide(Effect.flatMap(Credentials.Credentials, use), test.layer)

  it.effect("are numbered, and renewed by the clock of the test alone, to the minute", () => {
    const test = Testing.credentials({ scope: ["read"], mint: (nth) => `t${nth}` })
    return over(test, ({ token }) =>
      Effect.gen(function* () {
        expect(test.acquisitions).toEqual([])
        const first = yield* token
        expect([text(first), first.scope, Option.map(first.expiresAt, DateTime.toEpochMillis)]).toEqual([
          "t1",
          ["read"],
          Option.some(3_600_000)
        ])
        yield* TestClock.adjust(3_539_999)
        expect([text(yield* token), test.issued.length]).toEqual(["t1", 1])
        yield* TestClock.adjust(1)
        // The one who finds it due has the one held; the next is there behind him.
        expect([text(yield* token), text(yield* Effect.zipRight(TestClock.adjust(0), token))]).toEqual(["t1", "t2"])
        expect(test.acquisitions.map(({ interaction }) => interaction)).toEqual(["allowed", "forbidden"])
      })
    )
  })

  it.effect("are obtained once for a hundred callers", () => {
    const test = Testing.credentials({ delay: "3 seconds" })
    return over(test, ({ token }) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.fork(
          Effect.all(
            Array.from({ length: 100 }, () => token),
            { concurrency: "unbounded" }
          )
        )
        yield* TestClock.adjust("2999 millis")
        expect(Option.isNone(yield* Fiber.poll(fiber))).toBe(true)
        yield* TestClock.adjust("1 millis")
        yield* Fiber.join(fiber)
        expect(test.acquisitions).toHaveLength(1)
      })
    )
  })

  it.effect("fail as the test says, and nobody notices while the token lives", () => {
    const test = Testing.credentials()
    return over(test, ({ status, token }) =>
      Effect.gen(function* () {
        yield* token
        yield* minutes(59)
        test.failNext(down)
        yield* token
        yield* TestClock.adjust(0)
        expect(text(yield* token)).toBe("test-token-1")
        const { lastError } = yield* status
        expect(Option.map(lastError, ({ error }) => error.reason)).toEqual(Option.some(down))
        test.failAlways(down)
        yield* minutes(10)
        const error = yield* Effect.flip(token)
        expect(error.message).toMatch(/^Testing: the authorization server cannot answer now \(status 503\)/)
        test.failAlways()
        yield* minutes(1)
        expect(text(yield* token)).toBe("test-token-2")
        expect(test.issued.length).toBeLessThan(test.acquisitions.length)
      })
    )
  })

  it.effect("expire at a word, and whoever asks next has another, whatever failed before", () => {
    const test = Testing.credentials()
    return over(test, ({ current, renew, token }) =>
      Effect.gen(function* () {
        const first = yield* token
        yield* test.expire
        expect(yield* current).toEqual(Option.none())
        expect(text(yield* token)).toBe("test-token-2")
        test.failNext({ _tag: "Rejected", code: "invalid_grant", status: 400 })
        yield* test.expire
        expect((yield* Effect.flip(token)).reason._tag).toBe("Rejected")
        expect((yield* Effect.flip(token)).reason._tag).toBe("Rejected")
        expect(test.acquisitions).toHaveLength(3)
        yield* test.expire
        expect(text(yield* token)).toBe("test-token-3")
        expect(text(yield* renew(first))).toBe("test-token-3")
        expect(yield* DateTime.now).toEqual(DateTime.unsafeMake(0))
      })
    )
  })

  it.effect("of a layer that is closed are not expired any more", () =>
    Effect.gen(function* () {
      const test = Testing.credentials()
      const before = yield* over(test, (credentials) => Effect.as(credentials.token, credentials))
      yield* test.expire
      expect(Option.isSome(yield* before.current)).toBe(true)
      yield* over(test, ({ token }) => token)
      expect(test.issued.map(text)).toEqual(["test-token-1", "test-token-2"])
    })
  )

  it.effect("have names where there are several, and lifetimes that nobody knows", () => {
    const [GitHub, Jira] = [Credentials.Tag("github"), Credentials.Tag("jira")]
    const github = Testing.credentials({ tag: GitHub, name: "GitHub", lifetime: Infinity })
    return Effect.gen(function* () {
      const [one, other] = [yield* GitHub, yield* Jira]
      expect([one.name, other.name]).toEqual(["GitHub", "Testing"])
      expect((yield* one.token).expiresAt).toEqual(Option.none())
      yield* other.token
      yield* minutes(1_000_000)
      yield* one.token
      expect(github.issued).toHaveLength(1)
    }).pipe(Effect.provide(Layer.merge(github.layer, Testing.layerTest({ tag: Jira }))))
  })

  it.effect("go where those of production go: an authenticated client renews them after a 401", () => {
    const test = Testing.credentials()
    const seen: Array<string | undefined> = []
    const Api = Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make((request) => {
        const nth = seen.push(request.headers["authorization"])
        return Effect.succeed(
          HttpClientResponse.fromWeb(request, new Response(null, { status: nth === 1 ? 401 : 204 }))
        )
      })
    )
    return Effect.gen(function* () {
      const client = yield* AuthenticatedHttpClient.AuthenticatedHttpClient
      expect((yield* client.get("https://api.test/")).status).toBe(204)
      expect(seen).toEqual(["Bearer test-token-1", "Bearer test-token-2"])
    }).pipe(
      Effect.provide(
        Layer.provide(AuthenticatedHttpClient.layer({ origins: ["https://api.test"] }), Layer.merge(test.layer, Api))
      )
    )
  })

  it.effect("that cannot work are a defect, which says why", () =>
    Effect.gen(function* () {
      const test = Testing.layerTest({ renewAhead: "soon" as Duration.DurationInput })
      const exit = yield* Effect.exit(Effect.provide(Effect.asVoid(Credentials.Credentials), test))
      expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("renewAhead must be a duration")
    })
  )
})
