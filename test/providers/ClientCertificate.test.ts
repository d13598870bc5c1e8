import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import { constants, generateKeyPairSync, verify } from "node:crypto"
import * as Credentials from "../../src/Credentials.ts"
import * as Certificate from "../../src/internal/certificate.ts"
import type { Provider } from "../../src/Provider.ts"
import * as ClientCertificate from "../../src/providers/ClientCertificate.ts"
import * as Testing from "../../src/Testing.ts"
import { certificate } from "../../examples/support/certificates.ts"
import { contract } from "./contract.ts"

const pair = generateKeyPairSync("rsa", { modulusLength: 2048 })
const other = generateKeyPairSync("rsa", { modulusLength: 2048 })
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" })
const key = pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString()
const own = certificate(pair, "1969-01-01T00:00:00", "2060-01-01T00:00:00")
const base64url = (hex: string) => Buffer.from(hex, "hex").toString("base64url")

/** A server that takes a client's assertion signed by our key. */
const serverOf = () =>
  Testing.authorizationServer({
    grants: {
      client_credentials: ({ parameters }, issue) => {
        const [head, claims, signature] = (parameters["client_assertion"] ?? "..").split(".") as [
          string,
          string,
          string
        ]
        const { alg } = JSON.parse(Buffer.from(head, "base64url").toString() || "{}")
        const isOurs = verify(
          "sha256",
          Buffer.from(`${head}.${claims}`),
          alg === "PS256"
            ? { key: pair.publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
            : pair.publicKey,
          Buffer.from(signature, "base64url")
        )
        return isOurs ? issue() : Effect.succeed({ status: 401, json: { error: "invalid_client" } })
      }
    }
  })

const token = (server: Testing.TestServer, provider: Provider<HttpClient.HttpClient>) =>
  Effect.scoped(Effect.flatMap(Credentials.make(provider), (credentials) => credentials.token)).pipe(
    Effect.provide(server.layer)
  )

const assertionOf = (server: Testing.TestServer) => {
  const [header, claims] = server.tokenEndpoint.requests.at(-1)!.parameters["client_assertion"]!.split(".")
  const json = (part: string | undefined) => JSON.parse(Buffer.from(part!, "base64url").toString())
  return { header: json(header), claims: json(claims) }
}

describe("ClientCertificate", () => {
  const server = serverOf()
  const options = { tokenEndpoint: server.tokenEndpoint.url, clientId: "me" }
  contract<HttpClient.HttpClient>({
    name: "ClientCertificate",
    make: () => ClientCertificate.make({ ...options, key, certificate: own.pem }),
    failing: () =>
      ClientCertificate.make({
        ...options,
        key: other.privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
        thumbprint: own.sha1
      }),
    secrets: key.split("\n").slice(1, 4),
    provide: (effect) => Effect.scoped(Effect.provide(effect, server.layer))
  })

  it.effect("says which certificate its key belongs to, by the thumbprints given or computed", () =>
    Effect.gen(function* () {
      const server = serverOf()
      const options = { tokenEndpoint: server.tokenEndpoint.url, clientId: "me" }
      const x5t = base64url(own.sha1)
      const x5tS256 = base64url(own.sha256)
      const colons = own.sha1.toUpperCase().replace(/(..)(?=.)/g, "$1:")
      const cases: ReadonlyArray<readonly [object, object]> = [
        [{ thumbprint: own.sha1 }, { x5t }],
        [{ thumbprint: colons }, { x5t }],
        [{ thumbprintS256: own.sha256, algorithm: "PS256" }, { "x5t#S256": x5tS256 }],
        [
          { thumbprint: own.sha1, thumbprintS256: own.sha256 },
          { x5t, "x5t#S256": x5tS256 }
        ],
        [{ certificate: own.pem }, { x5t, "x5t#S256": x5tS256 }],
        [
          { certificate: own.pem, thumbprint: colons },
          { x5t, "x5t#S256": x5tS256 }
        ],
        [
          { certificate: `${key}${own.pem}`, key: `${own.pem}${key}`, keyId: "k" },
          { kid: "k", x5t, "x5t#S256": x5tS256 }
        ],
        [
          { certificate: own.pem.replaceAll("\n", "\\n"), key: key.replaceAll("\n", "\\n") },
          { x5t, "x5t#S256": x5tS256 }
        ]
      ]
      for (const [more, header] of cases) {
        yield* token(server, ClientCertificate.make({ ...options, key, ...more } as ClientCertificate.Options))
        const { alg, ...rest } = assertionOf(server).header
        assert.strictEqual(alg, "algorithm" in more ? more.algorithm : "RS256")
        assert.deepStrictEqual(rest, { typ: "JWT", ...header }, JSON.stringify(more))
      }
    })
  )

  it.effect("sends a client-credentials grant with the assertion, for the token endpoint, for a minute", () =>
    Effect.gen(function* () {
      const server = serverOf()
      yield* token(
        server,
        ClientCertificate.make({
          tokenEndpoint: server.tokenEndpoint.url,
          clientId: "me",
          key,
          certificate: own.pem,
          scope: ["a", "b"],
          assertion: { lifetime: "10 minutes", audience: "https://aud.test" }
        })
      )
      const { claims } = assertionOf(server)
      assert.deepStrictEqual(
        [claims.iss, claims.sub, claims.aud, claims.exp - claims.iat],
        ["me", "me", "https://aud.test", 600]
      )
      const { parameters } = server.tokenEndpoint.requests[0]!
      assert.deepStrictEqual(
        [parameters["grant_type"], parameters["scope"], parameters["client_id"], parameters["client_assertion_type"]],
        ["client_credentials", "a b", "me", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
      )
      assert.notProperty(parameters, "audience")
    })
  )

  it("finds the token endpoint below an authority, with the tenant in it or beside it", () => {
    const url = "https://login.test/contoso.com/oauth2/v2.0/token"
    assert.strictEqual(ClientCertificate.tokenEndpointOf("https://login.test/", "contoso.com"), url)
    assert.strictEqual(ClientCertificate.tokenEndpointOf("https://login.test/contoso.com"), url)
    assert.strictEqual(ClientCertificate.tokenEndpointOf("https://login.test/contoso.com/"), url)
  })

  it.effect("no tenant, whatever it is called, leads to another place than its own below the authority (S271)", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.oneof(
            fc.constantFrom(
              "..",
              ".",
              "a/../b",
              "a/b",
              "a?b",
              "a#b",
              "a\\b",
              "%2e%2e",
              "a%2fb",
              "@evil.test",
              "a:b",
              " ",
              "\n"
            ),
            fc.constantFrom("contoso.com", "a", "8f2c-1", "a..b"),
            fc.string()
          ),
          async (tenant) => {
            const server = Testing.authorizationServer({
              routes: () => Effect.succeed({ json: { access_token: "t0ken" } })
            })
            const provider = ClientCertificate.make({
              authority: "https://login.test/base",
              tenant,
              clientId: "me",
              key,
              thumbprint: own.sha1
            })
            const made = await Effect.runPromise(Effect.either(token(server, provider)))
            if (Either.isRight(made)) {
              assert.strictEqual(server.requests[0]!.url, `https://login.test/base/${tenant}/oauth2/v2.0/token`)
              assert.strictEqual(new URL(server.requests[0]!.url).href, server.requests[0]!.url)
            } else {
              assert.deepInclude(made.left, { _tag: "InvalidOption", option: "tenant" })
              assert.strictEqual(server.requests.length, 0)
            }
          }
        ),
        { numRuns: 60 }
      )
    )
  )

  it.effect("asks the authority", () =>
    Effect.gen(function* () {
      const server = Testing.authorizationServer({ routes: () => Effect.succeed({ json: { access_token: "t0ken" } }) })
      yield* token(
        server,
        ClientCertificate.make({
          authority: "https://login.test",
          tenant: "contoso.com",
          clientId: "me",
          key,
          thumbprint: own.sha1
        })
      )
      assert.strictEqual(server.requests[0]!.url, "https://login.test/contoso.com/oauth2/v2.0/token")
    })
  )

  it.effect("options that cannot work fail the layer by name, and nothing is sent", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2030, 0, 1))
      const encrypted = pair.privateKey
        .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "p" })
        .toString()
      const server = serverOf()
      const expired = certificate(pair, "2020-01-01T00:00:00", "2029-12-31T23:59:59").pem
      const future = certificate(pair, "2030-01-01T00:00:01", "2040-01-01T00:00:00").pem
      const base = { tokenEndpoint: server.tokenEndpoint.url, clientId: "me", key, certificate: own.pem }
      const entra = { tokenEndpoint: undefined, authority: "https://login.test/" }
      const cases: ReadonlyArray<readonly [string, object, string]> = [
        ["certificate", { certificate: undefined }, "given, or else one of its thumbprints"],
        ["certificate", { certificate: "no PEM" }, "a certificate in PEM"],
        ["certificate", { certificate: key }, "a certificate in PEM"],
        [
          "certificate",
          { certificate: "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----" },
          "a certificate"
        ],
        [
          "certificate",
          { certificate: own.pem.replace(/\n(.{40})[^]*\n(-----END)/, "\n$1\n$2") },
          "a certificate in PEM"
        ],
        [
          "certificate",
          { certificate: expired },
          "one that has not expired: this one has since 2029-12-31T23:59:59.000Z"
        ],
        [
          "certificate",
          { certificate: future },
          "one that is valid already: this one is from 2030-01-01T00:00:01.000Z on"
        ],
        [
          "certificate",
          { certificate: certificate(other, "2020-01-01T00:00:00", "2040-01-01T00:00:00").pem },
          "another one"
        ],
        [
          "certificate",
          { key: p256.privateKey.export({ type: "sec1", format: "pem" }).toString(), algorithm: "ES256" },
          "another one"
        ],
        ["thumbprint", { thumbprint: "no hex" }, "40 hexadecimal digits"],
        ["thumbprint", { certificate: undefined, thumbprint: own.sha256 }, "40 hexadecimal digits"],
        ["thumbprint", { thumbprint: "ab".repeat(20) }, "that of the certificate"],
        ["thumbprintS256", { thumbprintS256: own.sha1 }, "64 hexadecimal digits"],
        ["thumbprintS256", { thumbprintS256: "ab".repeat(32) }, "that of the certificate"],
        ["key", { key: encrypted }, "a private key without a passphrase"],
        ["key", { key: "c4nary" }, "a private key in PEM"],
        ["key", { algorithm: "ES256" }, "a private key for ES256"],
        ["lifetime", { assertion: { lifetime: "2 hours" } }, "from 1 second to 1 hour"],
        ["authority", { ...entra, authority: "http://login.test", tenant: "t" }, "https"],
        ["authority", { ...entra, authority: "login.test", tenant: "t" }, "https"],
        ["authority", { ...entra, authority: "https://login.test?x=y", tenant: "t" }, "nor a query"],
        ["tenant", entra, "given"],
        ["tenant", { ...entra, tenant: "a/b" }, "an identifier or a domain"],
        ["tenant", { ...entra, tenant: ".." }, "an identifier or a domain"],
        ["tenant", { ...entra, tenant: "" }, "an identifier or a domain"],
        ["tokenEndpoint", { tokenEndpoint: "http://id.test" }, "https"],
        ["clientId", { clientId: "" }, "not blank"]
      ]
      for (const [option, more, expected] of cases) {
        const provider = ClientCertificate.make({ ...base, ...more } as ClientCertificate.Options)
        const error = yield* Effect.flip(token(server, provider))
        assert.deepStrictEqual("option" in error ? error.option : error, option, JSON.stringify(more))
        assert.include(error.message, expected)
        assert.notInclude(error.message, "c4nary")
      }
      assert.strictEqual(server.requests.length, 0)
    })
  )

  it.effect("a key that is read anew is not compared with the certificate while the layer is built", () =>
    Effect.gen(function* () {
      const server = serverOf()
      let n = 0
      const rotating = Effect.sync(() => (n++, Redacted.make(key)))
      const base = { tokenEndpoint: server.tokenEndpoint.url, clientId: "me" }
      yield* Effect.scoped(
        Credentials.make(ClientCertificate.make({ ...base, key: rotating, certificate: own.pem }))
      ).pipe(Effect.provide(server.layer))
      assert.strictEqual(n, 0)
      yield* token(server, ClientCertificate.make({ ...base, key: rotating, certificate: own.pem }))
      assert.strictEqual(n, 1)
    })
  )

  it.effect("reads key and certificate from the environment", () =>
    Effect.gen(function* () {
      const server = serverOf()
      const variables = {
        TOKEN_URL: server.tokenEndpoint.url,
        CLIENT_ID: "me",
        CLIENT_KEY: key,
        CLIENT_CERTIFICATE: own.pem
      }
      const load = (variables: Record<string, string>) =>
        Effect.either(
          Effect.withConfigProvider(
            ClientCertificate.fromConfig(undefined, { algorithm: "PS256" }),
            ConfigProvider.fromMap(new Map(Object.entries(variables)))
          )
        )
      const complete = yield* load(variables)
      if (complete._tag === "Right") yield* token(server, complete.right)
      assert.strictEqual(assertionOf(server).header.alg, "PS256")
      const partial = yield* load({ ...variables, CLIENT_CERTIFICATE: " " })
      assert.deepStrictEqual(partial._tag === "Left" && partial.left._tag, "PartialCredentials")
    })
  )
})

describe("a certificate", () => {
  // openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 36500 -subj /CN=fixture
  const fixture = `
-----BEGIN CERTIFICATE-----
MIIBfDCCASGgAwIBAgIUENV0C/7MdXNyhKU8xPYr8QVGreIwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHZml4dHVyZTAgFw0yNjExMjEwMzQ5MDZaGA8yMTI2MTAyODAz
NDkwNlowEjEQMA4GA1UEAwwHZml4dHVyZTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABFQGQUnShYlvmgJuu5jSRohh/+CNPiqE4sX86OCRRor/YQv88AhHtgogNl0k
XwPBBc0R7C++x/GgjJdWp43vuP6jUzBRMB0GA1UdDgQWBBSrPLA9UmgAHxN+UI37
o5HYDK+rqjAfBgNVHSMEGDAWgBSrPLA9UmgAHxN+UI37o5HYDK+rqjAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQDKNemvpsZGGoaJi0yL8VXDlaKO
dmtKqrUgeFXPy0ovSAIhAK/q1vZshrGvcq3XtWhoRxJ27kjahle/fLzFWv6lZpjs
-----END CERTIFICATE-----
`

  it.effect("of openssl is read as openssl reads it", () =>
    Effect.gen(function* () {
      const parsed = Either.getOrThrow(Certificate.parse(fixture))
      assert.deepStrictEqual(yield* Certificate.thumbprints(parsed), {
        sha1: "9b57f2e210f04639b850a11fbd1f8530bf139c45",
        sha256: "8c3dde2ce12b0f6870258222bfe59afd2c8ec7b958ffd2f02053686703d85b44"
      })
      assert.deepStrictEqual(
        [parsed.notBefore, parsed.notAfter].map((millis) => DateTime.formatIso(DateTime.unsafeMake(millis))),
        ["2026-11-21T03:49:06.000Z", "2126-10-28T03:49:06.000Z"]
      )
    })
  )

  it("that is cut off anywhere, or has any byte changed, is read or refused, and nothing is thrown", () => {
    const der = Buffer.from(fixture.replace(/-----[^-]+-----|\s/g, ""), "base64")
    const pem = (bytes: Uint8Array) =>
      `-----BEGIN CERTIFICATE-----\n${Buffer.from(bytes).toString("base64")}\n-----END CERTIFICATE-----`
    for (let at = 0; at < der.length; at++) {
      assert.isTrue(Either.isLeft(Certificate.parse(pem(der.subarray(0, at)))), `cut off at ${at}`)
      for (const value of [0x00, 0x30, 0x7f, 0x80, 0x84, 0xff]) {
        const changed = Buffer.from(der)
        changed[at] = value
        assert.isTrue(Either.isEither(Certificate.parse(pem(changed))))
      }
    }
  })
})
