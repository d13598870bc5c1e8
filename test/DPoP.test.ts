import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import { calculateJwkThumbprint, compactVerify, decodeProtectedHeader, EmbeddedJWK, type JWK } from "jose"
import { inspect } from "node:util"
import * as AuthenticatedHttpClient from "../src/AuthenticatedHttpClient.ts"
import * as Authorization from "../src/Authorization.ts"
import * as AuthorizationServer from "../src/AuthorizationServer.ts"
import * as Credentials from "../src/Credentials.ts"
import type { RefreshError } from "../src/CredentialsError.ts"
import * as DPoP from "../src/DPoP.ts"
import * as Jose from "../src/internal/jose.ts"
import * as Jwt from "../src/Jwt.ts"
import * as Grant from "../src/protocol/Grant.ts"
import * as TokenResponse from "../src/protocol/TokenResponse.ts"
import * as ClientCredentials from "../src/providers/ClientCredentials.ts"
import * as Provider from "../src/Provider.ts"
import * as Token from "../src/Token.ts"
import * as TokenEndpoint from "../src/TokenEndpoint.ts"
import * as TokenStore from "../src/TokenStore.ts"
import { fakeCredentials } from "./support/credentials.ts"
import * as FakeServer from "./support/FakeServer.ts"

const api = "https://api.example.com"
const files = "https://files.example.com"
const tokenEndpoint = "https://id.example.com/token"

/** RFC 7517 appendix A.2, whose thumbprint is in RFC 7638 §3.1. */
const rsaKey: JsonWebKey = {
  kty: "RSA",
  n: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
  e: "AQAB",
  d: "X4cTteJY_gn4FYPsXB8rdXix5vwsg1FLN5E3EaG6RJoVH-HLLKD9M7dx5oo7GURknchnrRweUkC7hT5fJLM0WbFAKNLWY2vv7B6NqXSzUvxT0_YSfqijwp3RTzlBaCxWp4doFk5N2o8Gy_nHNKroADIkJ46pRUohsXywbReAdYaMwFs9tv8d_cPVY3i07a3t8MN6TNwm0dSawm9v47UiCl3Sk5ZiG7xojPLu4sbg1U2jx4IBTNBznbJSzFHK66jT8bgkuqsk0GjskDJk19Z4qwjwbsnn4j2WBii3RL-Us2lGVkY8fkFzme1z0HbIkfz0Y6mqnOYtqc0X4jfcKoAC8Q",
  p: "83i-7IvMGXoMXCskv73TKr8637FiO7Z27zv8oj6pbWUQyLPQBQxtPVnwD20R-60eTDmD2ujnMt5PoqMrm8RfmNhVWDtjjMmCMjOpSXicFHj7XOuVIYQyqVWlWEh6dN36GVZYk93N8Bc9vY41xy8B9RzzOGVQzXvNEvn7O0nVbfs",
  q: "3dfOR9cuYq-0S-mkFLzgItgMEfFzB2q3hWehMuG0oCuqnb3vobLyumqjVZQO1dIrdwgTnCdpYzBcOfW5r370AFXjiWft_NGEiovonizhKpo9VVS78TzFgxkIdrecRezsZ-1kYd_s1qDbxtkDEgfAITAG9LUnADun4vIcb6yelxk",
  dp: "G4sPXkc6Ya9y8oJW9_ILj4xuppu0lzi_H7VTkS8xj5SdX3coE0oimYwxIi2emTAue0UOa5dpgFGyBJ4c8tQ2VF402XRugKDTP8akYhFo5tAA77Qe_NmtuYZc3C3m3I24G2GvR5sSDxUyAN2zq8Lfn9EUms6rY3Ob8YeiKkTiBj0",
  dq: "s9lAH9fggBsoFR8Oac2R_E2gw282rT2kGOAhvIllETE1efrA6huUUvMfBcMpn8lqeW6vzznYY5SSQF7pMdC_agI3nG8Ibp1BUb0JUiraRNqUfLhcQb_d9GF4Dh7e74WbRsobRonujTYN1xCaP6TO61jvWrX-L18txXw494Q_cgk",
  qi: "GyM_p6JrXySiz1toFgKbWV-JdI3jQ4ypu9rbMWx3rQJBfmt0FoYzgUIZEVFEcOqwemRN81zoDAaa-Bk0KWNGDjJHZDdDmFhW3AN7lI-puxk_mHZGJ11rxyR8O55XLSe3SPmRfKwZI6yU24ZxvQKFYItdldUKGzO6Ia6zTKhAVRU"
}

const ecKeys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"])
const ecKey = await crypto.subtle.exportKey("jwk", ecKeys.privateKey)
const strangers = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"])
const strangeKey = await crypto.subtle.exportKey("jwk", strangers.privateKey)
const pemOf = async (key: CryptoKey, label = "PRIVATE KEY"): Promise<string> => {
  const der = new Uint8Array(await crypto.subtle.exportKey("pkcs8", key))
  return `-----BEGIN ${label}-----\n${btoa(String.fromCharCode(...der))}\n-----END ${label}-----\n`
}
const ecPem = await pemOf(ecKeys.privateKey)
const publicOf = ({ crv, kty, x, y }: JsonWebKey): JsonWebKey => ({ crv: crv!, kty: kty!, x: x!, y: y! })

/** What a proof says; checks its signature first, with the key inside. */
const read = (proof: string | undefined) =>
  Effect.promise(async () => {
    assert.isDefined(proof)
    await compactVerify(proof!, EmbeddedJWK)
    return { header: decodeProtectedHeader(proof!), claims: Either.getOrThrow(Jwt.decode(proof!)).claims }
  })

const nonceOf = (seen: FakeServer.Seen) => Either.getOrThrow(Jwt.decode(seen.headers["dpop"]!)).claims["nonce"]

const challenge = (error: string, nonce?: string): FakeServer.Answer => ({
  status: 401,
  headers: { "www-authenticate": `DPoP error="${error}"`, ...(nonce === undefined ? {} : { "dpop-nonce": nonce }) }
})

const over = (
  server: FakeServer.FakeServer,
  authorization: Authorization.Authorization,
  options?: Partial<AuthenticatedHttpClient.Options>
) => {
  const credentials = fakeCredentials({ authorization })
  const client = Either.getOrThrow(
    AuthenticatedHttpClient.make(server.client, credentials, { origins: [api, files], ...options })
  )
  return { client, credentials }
}

const fine = () => FakeServer.make(() => ({ body: "fine" }))

const endpoint = (options?: Partial<TokenEndpoint.Options>) =>
  TokenEndpoint.make("Test", {
    ...{ tokenEndpoint, clientId: "me", authorization: DPoP.make(), retry: Schedule.stop },
    ...options
  } as TokenEndpoint.Options)

const exchange = (
  server: FakeServer.FakeServer,
  grant: Grant.Grant = Grant.clientCredentials(),
  options?: Partial<TokenEndpoint.Options>
): Effect.Effect<Exit.Exit<Token.Token, RefreshError>> =>
  Effect.exit(Effect.provide(TokenEndpoint.exchange(endpoint(options), grant), server.layer))

const reasonOf = <A>(exit: Exit.Exit<A, RefreshError>): RefreshError["reason"] =>
  Exit.match(exit, {
    onSuccess: () => assert.fail("expected a failure"),
    onFailure: (cause) => (cause._tag === "Fail" ? cause.error.reason : assert.fail(String(cause)))
  })

const issue = (more?: object): FakeServer.Answer => ({
  json: { access_token: "t0ken", token_type: "DPoP", expires_in: 60, ...more }
})
const useNonce = (nonce: string, status = 400): FakeServer.Answer => ({
  status,
  json: { error: "use_dpop_nonce" },
  headers: { "dpop-nonce": nonce }
})
const refreshing = Grant.refreshToken(Redacted.make("r3fresh"))

const bound = (jkt: string): Token.Token =>
  Token.make({
    accessToken: Redacted.make("b0und"),
    tokenType: "dpop",
    issuedAt: DateTime.unsafeMake(0),
    extra: Redacted.make({ cnf: { jkt } })
  })

const thumbprintOf = (authorization: Authorization.Authorization) => authorization.proof!.thumbprint

describe("proofs", () => {
  it.effect("go with the token, and say for which request and which token they are (S297)", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_562_262_618_999)
      const server = fine()
      const { client } = over(server, DPoP.make())
      yield* client.get(`${api}/me?page=2#top`, { urlParams: { size: "3" } })
      const { headers, method } = server.seen[0]!
      assert.strictEqual(method, "GET")
      assert.strictEqual(headers["authorization"], "DPoP t1")
      const { claims, header } = yield* read(headers["dpop"])
      assert.deepStrictEqual(Object.keys(header).sort(), ["alg", "jwk", "typ"])
      assert.deepStrictEqual([header.alg, header.typ], ["ES256", "dpop+jwt"])
      assert.deepStrictEqual(Object.keys(header.jwk!).sort(), ["crv", "kty", "x", "y"])
      const { jti, ...rest } = claims
      assert.match(jti as string, /^[\w-]{22}$/)
      assert.deepStrictEqual(rest, {
        htm: "GET",
        htu: `${api}/me`,
        iat: 1562262618,
        // SHA-256 of "t1"
        ath: "YotJ2W3N6XpDDdT1l3BYmeCalo95NJHktwTK4zpA3AI"
      })
    })
  )

  it.effect("hash the token as RFC 9449 §7.1 does", () =>
    Effect.gen(function* () {
      const accessToken = Redacted.make("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU")
      const token = Token.make({ accessToken, issuedAt: DateTime.unsafeMake(0) })
      const url = "https://resource.example.org/protectedresource"
      for (const _ of [1, 2]) {
        const { headers } = yield* DPoP.make().proof!.sign({ method: "GET", url, token: Option.some(token) })
        const { claims } = yield* read(headers["dpop"])
        assert.strictEqual(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo")
      }
    })
  )

  it.effect("are made anew for every request, with one key, however many are the first", () =>
    Effect.gen(function* () {
      const server = fine()
      const { client } = over(server, DPoP.make())
      yield* Effect.forEach(Array.from({ length: 20 }), () => client.post(`${api}/x`), { concurrency: "unbounded" })
      const proofs = yield* Effect.forEach(server.seen, ({ headers }) => read(headers["dpop"]))
      assert.strictEqual(new Set(proofs.map(({ claims }) => claims["jti"])).size, 20)
      assert.strictEqual(new Set(proofs.map(({ header }) => JSON.stringify(header.jwk))).size, 1)
      assert.deepStrictEqual(new Set(proofs.map(({ claims }) => claims["htm"])), new Set(["POST"]))
    })
  )

  it.effect("two sets of credentials have two keys", () =>
    Effect.gen(function* () {
      assert.notStrictEqual(yield* thumbprintOf(DPoP.make()), yield* thumbprintOf(DPoP.make()))
    })
  )

  it.effect("are for the address as it is sent, below all preprocessing (S297)", () =>
    Effect.gen(function* () {
      const server = fine()
      const { credentials } = over(server, DPoP.make())
      const below = HttpClient.mapRequest(server.client, HttpClientRequest.prependUrl(`${api}/v1`))
      const client = Either.getOrThrow(AuthenticatedHttpClient.make(below, credentials, { origins: [api] }))
      yield* client.get("/me")
      assert.strictEqual((yield* read(server.seen[0]!.headers["dpop"])).claims["htu"], `${api}/v1/me`)
    })
  )

  it.effect(
    "a redirect within the listed origins gets a proof of its own; one that leads elsewhere gets nothing (S002)",
    () =>
      Effect.gen(function* () {
        const server = FakeServer.make(({ url }) =>
          url === `${api}/a`
            ? { status: 307, headers: { location: `${files}/b` } }
            : { status: 302, headers: { location: "https://evil.example/c" } }
        )
        yield* over(server, DPoP.make()).client.post(`${api}/a`)
        assert.deepStrictEqual(
          server.seen.map(({ url }) => url),
          [`${api}/a`, `${files}/b`]
        )
        const claims = yield* Effect.forEach(server.seen, ({ headers }) =>
          Effect.map(read(headers["dpop"]), (_) => _.claims)
        )
        assert.deepStrictEqual(
          claims.map(({ htm, htu }) => [htm, htu]),
          [
            ["POST", `${api}/a`],
            ["POST", `${files}/b`]
          ]
        )
      })
  )

  it.effect("a request to another origin, and one with a proof of its own, goes out as it is", () =>
    Effect.gen(function* () {
      const server = fine()
      const { client, credentials } = over(server, DPoP.make())
      yield* client.get("https://other.example/")
      yield* client.get(`${api}/`, { headers: { DPoP: "mine" } })
      assert.deepStrictEqual(
        server.seen.map(({ headers }) => [headers["authorization"], headers["dpop"]]),
        [
          [undefined, undefined],
          [undefined, "mine"]
        ]
      )
      assert.strictEqual(credentials.count.token, 0)
    })
  )

  it.effect("other headers travel along", () =>
    Effect.gen(function* () {
      const server = fine()
      yield* over(server, Authorization.withHeaders(DPoP.make(), { "x-project": "p" })).client.get(api)
      const { headers } = server.seen[0]!
      assert.strictEqual(headers["x-project"], "p")
      yield* read(headers["dpop"])
    })
  )

  it.effect("neither the key, nor a proof, nor the token is seen in spans, errors and printed values (S022)", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (name, parent, context, links, startTime, kind) => {
          const attributes = new Map<string, unknown>()
          const span: Tracer.Span = {
            _tag: "Span",
            name,
            spanId: String(spans.length),
            traceId: "t",
            parent,
            context,
            status: { _tag: "Started", startTime },
            attributes,
            links,
            sampled: true,
            kind,
            end: () => {},
            attribute: (key, value) => void attributes.set(key, value),
            event: () => {},
            addLinks: () => {}
          }
          spans.push(span)
          return span
        },
        context: (f) => f()
      })
      const server = FakeServer.make((_, nth) => (nth === 1 ? { body: "fine" } : { lost: new Error("broken") }))
      const authorization = DPoP.make({ key: ecKey })
      const { client, credentials } = over(server, authorization)
      yield* Effect.withTracer(client.get(api), tracer)
      const error = yield* Effect.flip(client.get(api))
      const token = yield* credentials.token
      const shown = [error, authorization, spans.map(({ attributes }) => [...attributes]), token]
      const text = shown
        .map((value) => `${inspect(value, { depth: 9, showHidden: true })}${JSON.stringify(value)}`)
        .join()
      assert.include(text, "dpop")
      for (const { headers } of server.seen) assert.notInclude(text, headers["dpop"]!.slice(-20))
      assert.notInclude(text, ecKey.d!)
      assert.notInclude(text, "DPoP t1")
    })
  )
})

describe("an API's nonce (S297)", () => {
  it.effect("is put into a second proof at once, and into those that follow; the token stays", () =>
    Effect.gen(function* () {
      const server = FakeServer.make((seen) =>
        nonceOf(seen) === "n1" ? { body: "fine" } : challenge("use_dpop_nonce", "n1")
      )
      const { client, credentials } = over(server, DPoP.make())
      assert.strictEqual((yield* client.post(api, { body: HttpBody.text("once and again") })).status, 200)
      assert.strictEqual((yield* client.get(api)).status, 200)
      assert.deepStrictEqual(server.seen.map(nonceOf), [undefined, "n1", "n1"])
      assert.deepStrictEqual(new Set(server.seen.map(({ headers }) => headers["authorization"])), new Set(["DPoP t1"]))
      assert.strictEqual(new Set(server.seen.map(({ headers }) => headers["dpop"])).size, 3)
      assert.strictEqual(credentials.count.renew, 0)
    })
  )

  it.effect("is one per origin, and taken from any answer", () =>
    Effect.gen(function* () {
      const server = FakeServer.make(({ url }, nth) => ({
        status: nth % 2 === 0 ? 404 : 200,
        headers: { "dpop-nonce": `${new URL(url).hostname.split(".")[0]}-${nth}` }
      }))
      const { client } = over(server, DPoP.make())
      for (const url of [api, files, api, files, api]) yield* client.get(url)
      assert.deepStrictEqual(server.seen.map(nonceOf), [undefined, undefined, "api-1", "files-2", "api-3"])
    })
  )

  it.effect("that another request has fetched meanwhile is used as well", () =>
    Effect.gen(function* () {
      const server = FakeServer.make((seen) =>
        nonceOf(seen) === "n1" ? { body: "fine" } : challenge("use_dpop_nonce", "n1")
      )
      const { client } = over(server, DPoP.make())
      const answers = yield* Effect.forEach([1, 2, 3, 4], () => client.get(api), { concurrency: "unbounded" })
      assert.deepStrictEqual(
        answers.map(({ status }) => status),
        [200, 200, 200, 200]
      )
    })
  )

  it.effect.each([true, false])("is no matter of renewing: retryUnauthorized is %j", (retryUnauthorized) =>
    Effect.gen(function* () {
      const server = FakeServer.make((_, nth) => (nth === 1 ? challenge("use_dpop_nonce", "n1") : { body: "fine" }))
      const { client, credentials } = over(server, DPoP.make(), { retryUnauthorized })
      assert.strictEqual((yield* client.get(api)).status, 200)
      assert.strictEqual(credentials.count.renew, 0)
    })
  )

  it.effect("comes with a token that is no longer good: the token is renewed, once", () =>
    Effect.gen(function* () {
      const server = FakeServer.make(({ headers }, nth) =>
        headers["authorization"] === "DPoP t2" ? { body: "fine" } : challenge("invalid_token", `n${nth}`)
      )
      const { client, credentials } = over(server, DPoP.make())
      assert.strictEqual((yield* client.get(api)).status, 200)
      assert.deepStrictEqual(server.seen.map(nonceOf), [undefined, "n1"])
      assert.strictEqual(credentials.count.renew, 1)
    })
  )

  it.effect("that is never good enough ends after one more proof and one more token", () =>
    Effect.gen(function* () {
      const server = FakeServer.make((_, nth) => challenge("use_dpop_nonce", `n${nth}`))
      const { client, credentials } = over(server, DPoP.make())
      assert.strictEqual((yield* client.get(api)).status, 401)
      assert.strictEqual(server.seen.length, 3)
      assert.strictEqual(credentials.count.renew, 1)
    })
  )

  it.effect.each([undefined, "bad nonce", ""])("that is none (%j) changes nothing: a 401 is a 401", (nonce) =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => challenge("use_dpop_nonce", nonce))
      const { client, credentials } = over(server, DPoP.make())
      assert.strictEqual((yield* client.get(api)).status, 401)
      assert.deepStrictEqual(server.seen.map(nonceOf), [undefined, undefined])
      assert.strictEqual(credentials.count.renew, 1)
    })
  )

  it.effect("cannot be had for a body that is sent only once: the caller sees the 401, the next request succeeds", () =>
    Effect.gen(function* () {
      const server = FakeServer.make((seen) =>
        nonceOf(seen) === "n1" ? { body: "fine" } : challenge("use_dpop_nonce", "n1")
      )
      const { client, credentials } = over(server, DPoP.make())
      const upload = HttpClientRequest.post(api).pipe(
        HttpClientRequest.bodyStream(Stream.make(new TextEncoder().encode("once")))
      )
      assert.strictEqual((yield* client.execute(upload)).status, 401)
      assert.strictEqual((yield* client.execute(upload)).status, 200)
      assert.strictEqual(server.seen.length, 2)
      assert.strictEqual(credentials.count.renew, 0)
    })
  )

  it.effect("is asked for once at every stop of a redirect", () =>
    Effect.gen(function* () {
      const server = FakeServer.make((seen) =>
        nonceOf(seen) === undefined
          ? challenge("use_dpop_nonce", `n-${new URL(seen.url).hostname}`)
          : seen.url.startsWith(api)
            ? { status: 307, headers: { location: `${files}/b` } }
            : { body: "fine" }
      )
      assert.strictEqual((yield* over(server, DPoP.make()).client.get(`${api}/a`)).status, 200)
      assert.strictEqual(server.seen.length, 4)
    })
  )
})

describe("asking for a token", () => {
  it.effect("carries a proof without a token in it, and gives one that remembers its key", () =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => issue({ cnf: { jkt: "theirs" }, more: 1 }))
      const authorization = DPoP.make()
      const token = yield* yield* exchange(server, undefined, { authorization })
      const { claims, header } = yield* read(server.seen[0]!.headers["dpop"])
      assert.deepStrictEqual(Object.keys(claims).sort(), ["htm", "htu", "iat", "jti"])
      assert.deepStrictEqual([claims["htm"], claims["htu"]], ["POST", tokenEndpoint])
      assert.strictEqual(token.tokenType, "dpop")
      const jkt = yield* thumbprintOf(authorization)
      assert.deepStrictEqual(TokenResponse.boundTo(token), Option.some(jkt))
      assert.strictEqual(yield* Effect.promise(() => calculateJwkThumbprint(header.jwk!)), jkt)
      const stored = JSON.parse(JSON.stringify(Schema.encodeSync(Token.Token)(token))) as Token.TokenEncoded
      const restored = Schema.decodeSync(Token.Token)(stored)
      assert.deepStrictEqual(TokenResponse.boundTo(restored), Option.some(jkt))
      assert.deepStrictEqual([restored.tokenType, { ...Redacted.value(restored.extra) }["more"]], ["dpop", 1])
    })
  )

  it.effect.each([["DPoP"], ["dpop"], ["DPOP"]])("accepts the token type %j", ([type]) =>
    Effect.map(exchange(FakeServer.make(() => issue({ token_type: type }))), (exit) =>
      assert.isTrue(Exit.isSuccess(exit))
    )
  )

  it.effect.each([["Bearer"], ["bearer"], [undefined], [""], ["N_A"], ["mac"]])(
    "refuses the token type %j: nobody would need the key (S047)",
    ([type]) =>
      Effect.gen(function* () {
        const reason = reasonOf(yield* exchange(FakeServer.make(() => issue({ token_type: type }))))
        assert.strictEqual(reason._tag, "InvalidResponse")
        assert.include(JSON.stringify(reason), "token_type is not DPoP")
      })
  )

  it.effect("a token bound to a key that nobody asked for is refused too", () =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => issue())
      const reason = reasonOf(yield* exchange(server, undefined, { authorization: undefined }))
      assert.strictEqual(reason._tag, "InvalidResponse")
      assert.isUndefined(server.seen[0]!.headers["dpop"])
    })
  )

  it.effect.each([400, 401])(
    "learns the server's nonce from a refusal with status %d, and from then on (S297)",
    (status) =>
      Effect.gen(function* () {
        const server = FakeServer.make((seen) => (nonceOf(seen) === "n1" ? issue() : useNonce("n1", status)))
        const authorization = DPoP.make()
        for (const _ of [1, 2]) assert.isTrue(Exit.isSuccess(yield* exchange(server, undefined, { authorization })))
        assert.deepStrictEqual(server.seen.map(nonceOf), [undefined, "n1", "n1"])
      })
  )

  it.effect("a refresh token is not spent by the nonce's round trip (S297)", () =>
    Effect.gen(function* () {
      let isSpent = false
      const server = FakeServer.make((seen) => {
        if (nonceOf(seen) !== "n1") return useNonce("n1")
        if (isSpent) return { status: 400, json: { error: "invalid_grant" } }
        isSpent = true
        return issue({ refresh_token: "r3fresh-2" })
      })
      const token = yield* yield* exchange(server, refreshing)
      assert.deepStrictEqual(Option.map(token.refreshToken, Redacted.value), Option.some("r3fresh-2"))
      assert.deepStrictEqual(
        server.seen.map(({ form }) => form.get("refresh_token")),
        ["r3fresh", "r3fresh"]
      )
    })
  )

  it.effect("a second demand for a nonce is a refusal", () =>
    Effect.gen(function* () {
      const server = FakeServer.make((_, nth) => useNonce(`n${nth}`))
      const reason = reasonOf(yield* exchange(server, refreshing))
      assert.deepStrictEqual([reason._tag, "code" in reason && reason.code], ["Rejected", "use_dpop_nonce"])
      assert.strictEqual(server.seen.length, 2)
    })
  )

  it.effect.each<[string, FakeServer.Answer]>([
    ["no nonce in it", { status: 400, json: { error: "use_dpop_nonce" } }],
    ["a nonce but another code", { status: 400, json: { error: "invalid_grant" }, headers: { "dpop-nonce": "n1" } }],
    ["a nonce but no code", { status: 401, body: "", headers: { "dpop-nonce": "n1" } }],
    [
      "a nonce and a server's failure",
      { status: 500, json: { error: "use_dpop_nonce" }, headers: { "dpop-nonce": "n1" } }
    ]
  ])("a refusal with %s is not asked again", ([, answer]) =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => answer)
      assert.isTrue(Exit.isFailure(yield* exchange(server, refreshing)))
      assert.strictEqual(server.seen.length, 1)
    })
  )

  it.effect(
    "an answer that is lost after the nonce's round trip leaves the grant in doubt, one never sent does not",
    () =>
      Effect.gen(function* () {
        const losing = (code: string) =>
          FakeServer.make((_, nth) =>
            nth === 1 ? useNonce("n1") : { lost: Object.assign(new Error("lost"), { code }) }
          )
        assert.strictEqual(reasonOf(yield* exchange(losing("ECONNRESET"), refreshing))._tag, "Ambiguous")
        assert.strictEqual(reasonOf(yield* exchange(losing("ECONNREFUSED"), refreshing))._tag, "Transport")
      })
  )

  it.effect("revoking and asking about a token needs no proof", () =>
    Effect.gen(function* () {
      const server = FakeServer.make(() => ({ json: { active: true } }))
      const self = TokenEndpoint.make("Test", {
        server: AuthorizationServer.make({
          token_endpoint: tokenEndpoint,
          revocation_endpoint: "https://id.example.com/revoke",
          introspection_endpoint: "https://id.example.com/introspect"
        }),
        clientId: "me",
        authorization: DPoP.make()
      })
      const token = Redacted.make("t0ken")
      yield* Effect.provide(TokenEndpoint.introspect(self, token, "access_token"), server.layer)
      yield* Effect.provide(TokenEndpoint.revoke(self, token, "access_token"), server.layer)
      assert.deepStrictEqual(
        server.seen.map(({ headers }) => headers["dpop"]),
        [undefined, undefined]
      )
    })
  )
})

describe("keys", () => {
  const pair = (key: DPoP.Options["key"], algorithm?: DPoP.Options["algorithm"]) =>
    Effect.gen(function* () {
      const { headers } = yield* DPoP.make({ key, algorithm }).proof!.sign({
        method: "GET",
        url: api,
        token: Option.none()
      })
      return (yield* read(headers["dpop"])).header
    })

  it.effect("have the names that RFC 7638 §3.1 and RFC 9449 §6.1 give them", () =>
    Effect.gen(function* () {
      const { publicKey, thumbprint } = yield* Jose.keyPair(
        { ...rsaKey, alg: "RS256", kid: "2011-04-29" } as JsonWebKey,
        "RS256"
      )
      assert.strictEqual(thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
      assert.deepStrictEqual(publicKey, { e: rsaKey.e!, kty: "RSA", n: rsaKey.n! })
    })
  )

  it.effect.each<[string, DPoP.Options["key"]]>([
    ["a JWK", ecKey],
    ["the JSON of a JWK", JSON.stringify(ecKey)],
    ["a secret with the JSON of a JWK", Redacted.make(JSON.stringify(ecKey))],
    ["a PEM", ecPem],
    ["a secret with a PEM", Redacted.make(ecPem)],
    ["a pair of CryptoKeys", ecKeys]
  ])("%s is taken; only its public half is shown", ([, key]) =>
    Effect.gen(function* () {
      const header = yield* pair(key)
      assert.deepStrictEqual({ ...header.jwk }, publicOf(ecKey) as JWK)
    })
  )

  it.effect("sign with another algorithm where asked to", () =>
    Effect.gen(function* () {
      const header = yield* pair(rsaKey, "PS256")
      assert.deepStrictEqual([header.alg, header.jwk?.kty], ["PS256", "RSA"])
      assert.strictEqual((yield* pair(undefined, "ES384")).alg, "ES384")
    })
  )

  it.effect("that are made for the purpose cannot be read", () =>
    Effect.gen(function* () {
      const { signer } = yield* Jose.keyPair(undefined, "ES256")
      assert.isFalse((signer.key as CryptoKey).extractable)
    })
  )

  it.effect.each<[string, DPoP.Options["key"], string]>([
    ["a public key", publicOf(ecKey), "a private key for ES256, allowed to sign"],
    ["a key for another curve", { ...ecKey, crv: "P-384" }, "a private key for ES256, allowed to sign"],
    [
      "halves that do not belong together",
      { ...ecKey, x: strangeKey.x!, y: strangeKey.y! },
      "a private key for ES256, allowed to sign"
    ],
    ["a key for another algorithm", rsaKey, "a private key for ES256, allowed to sign"],
    [
      "a shared secret",
      { kty: "oct", k: "c2VjcmV0", d: "x" } as JsonWebKey,
      "a private key for ES256, allowed to sign"
    ],
    ["some text", "s3cret text", "a private key in PEM (PKCS#8, PKCS#1 or SEC1)"],
    [
      "a pair of strangers",
      { privateKey: ecKeys.privateKey, publicKey: strangers.publicKey },
      "a private key for ES256, allowed to sign"
    ]
  ])("%s: the layer fails before anything is sent, and says what is wanted, not what was given", ([, key, expected]) =>
    Effect.gen(function* () {
      const live = ClientCredentials.layer({
        tokenEndpoint,
        clientId: "me",
        clientSecret: "x",
        authorization: DPoP.make({ key })
      })
      const server = FakeServer.make(() => undefined)
      const error = yield* Effect.flip(Effect.scoped(Layer.build(Layer.provide(live, server.layer))))
      assert.deepStrictEqual([error.option, error.expected], ["key", expected])
    })
  )

  it.effect("a token for another key is never sent (S160)", () =>
    Effect.gen(function* () {
      const server = fine()
      const authorization = DPoP.make({ key: ecKey })
      const send = (token: Token.Token) => {
        const credentials = { ...fakeCredentials({ authorization }), token: Effect.succeed(token) }
        const client = Either.getOrThrow(AuthenticatedHttpClient.make(server.client, credentials, { origins: [api] }))
        return Effect.exit(client.get(api))
      }
      const refused = yield* send(bound(yield* thumbprintOf(DPoP.make())))
      const reason = reasonOf(refused as Exit.Exit<unknown, RefreshError>)
      assert.strictEqual(reason._tag, "Assertion")
      assert.include(JSON.stringify(reason), "issued for another key")
      assert.strictEqual(server.seen.length, 0)
      assert.isTrue(Exit.isSuccess(yield* send(bound(yield* thumbprintOf(authorization)))))
      assert.strictEqual(server.seen.length, 1)
    })
  )
})

describe("tokens from a store", () => {
  /** A program that starts with what another one has stored: one with the same key, or with another. */
  const restarted = (options: {
    readonly isOurs: boolean
    readonly client: { readonly clientSecret?: string }
    readonly refreshToken: boolean
  }) =>
    Effect.gen(function* () {
      const server = FakeServer.make((_, nth) => issue({ access_token: `new${nth}` }))
      const authorization = DPoP.make()
      const jkt = yield* thumbprintOf(options.isOurs ? authorization : DPoP.make())
      const stored: Token.Token = {
        ...bound(jkt),
        refreshToken: options.refreshToken ? Option.some(Redacted.make("r3fresh")) : Option.none()
      }
      const provider = Provider.fromGrant(
        "Test",
        { tokenEndpoint, clientId: "me", authorization, ...options.client },
        () => Effect.succeed(Grant.clientCredentials())
      ).pipe(Provider.persisted("key"))
      const program = Effect.gen(function* () {
        const store = yield* TokenStore.TokenStore
        yield* store.transaction("key", () => Effect.succeedSome(stored))
        const credentials = yield* Credentials.make(provider)
        const token = yield* Effect.either(credentials.token)
        const renewed = yield* Effect.either(credentials.renew(stored))
        const told = (either: typeof token) =>
          Either.match(either, {
            onLeft: ({ reason }): string => reason._tag,
            onRight: ({ accessToken }) => Redacted.value(accessToken)
          })
        return {
          token: told(token),
          renewed: told(renewed),
          asked: server.seen.map(({ form }) => form.get("grant_type"))
        }
      })
      return yield* Effect.scoped(program).pipe(Effect.provide([TokenStore.layerMemory(), server.layer]))
    })

  it.effect("serve a program with the same key", () =>
    Effect.gen(function* () {
      const { asked, renewed, token } = yield* restarted({ isOurs: true, client: {}, refreshToken: true })
      assert.deepStrictEqual([token, renewed, asked], ["b0und", "new1", ["refresh_token"]])
    })
  )

  it.effect("for another key are of no use: there is another where nobody has to log in (S160)", () =>
    Effect.gen(function* () {
      const { asked, token } = yield* restarted({ isOurs: false, client: {}, refreshToken: false })
      assert.deepStrictEqual([token, asked], ["new1", ["client_credentials"]])
    })
  )

  it.effect("a public client's refresh token for another key is an error before anything is sent (S160)", () =>
    Effect.gen(function* () {
      const { asked, renewed, token } = yield* restarted({ isOurs: false, client: {}, refreshToken: true })
      assert.deepStrictEqual([token, renewed, asked], ["Assertion", "Assertion", []])
    })
  )

  it.effect("a client that proves itself may have another key: its refresh tokens are bound to the client alone", () =>
    Effect.gen(function* () {
      const { asked, token } = yield* restarted({
        isOurs: false,
        client: { clientSecret: "s3cret" },
        refreshToken: true
      })
      assert.deepStrictEqual([token, asked], ["new1", ["refresh_token"]])
    })
  )

  it.effect("that others obtain for their key are not taken over (S160)", () =>
    Effect.gen(function* () {
      const authorization = DPoP.make()
      const [ours, theirs] = [yield* thumbprintOf(authorization), yield* thumbprintOf(DPoP.make())]
      const provider = Provider.make({
        name: "Test",
        acquire: () => Effect.succeed(bound(ours)),
        authorization
      }).pipe(Provider.persisted("key"))
      const layer = TokenStore.layerMemory()
      const updates = yield* Effect.gen(function* () {
        const store = yield* TokenStore.TokenStore
        const fiber = yield* Effect.fork(Stream.runHead(provider.updates))
        // Until it listens.
        yield* Effect.repeatN(Effect.yieldNow(), 20)
        for (const jkt of [theirs, ours]) {
          yield* store.transaction("key", () => Effect.succeedSome(bound(jkt)))
        }
        return yield* fiber
      }).pipe(Effect.provide(layer))
      assert.deepStrictEqual(Option.flatMap(updates, TokenResponse.boundTo), Option.some(ours))
    })
  )
})

it.effect("from the token request to the API, with a nonce of each (S297)", () =>
  Effect.gen(function* () {
    const server = FakeServer.make((seen) =>
      seen.url === tokenEndpoint
        ? nonceOf(seen) === "n-as"
          ? issue()
          : useNonce("n-as")
        : nonceOf(seen) === "n-api"
          ? { body: "fine" }
          : challenge("use_dpop_nonce", "n-api")
    )
    const live = AuthenticatedHttpClient.layer({ origins: [api] }).pipe(
      Layer.provide(
        ClientCredentials.layer({ tokenEndpoint, clientId: "me", clientSecret: "s3cret", authorization: DPoP.make() })
      ),
      Layer.provide(server.layer)
    )
    const program = Effect.flatMap(AuthenticatedHttpClient.AuthenticatedHttpClient, (client) => client.get(api))
    assert.strictEqual((yield* Effect.provide(program, live)).status, 200)
    assert.deepStrictEqual(server.seen.map(nonceOf), [undefined, "n-as", undefined, "n-api"])
    const keys = yield* Effect.forEach(server.seen, ({ headers }) => read(headers["dpop"]))
    assert.strictEqual(new Set(keys.map(({ header }) => JSON.stringify(header.jwk))).size, 1)
  })
)
