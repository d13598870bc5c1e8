/**
 * Everything that is read and was written by others, spoiled: `FUZZ=100000` for as many inputs each, and a limit of 10 ms for each of them.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import * as ConfigProvider from "effect/ConfigProvider"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import * as Encryption from "../src/internal/encryption.ts"
import * as Form from "../src/internal/form.ts"
import * as Profiles from "../src/internal/profiles.ts"
import * as Record from "../src/internal/record.ts"
import * as Timing from "../src/internal/timing.ts"
import * as Url from "../src/internal/url.ts"
import * as Jwt from "../src/Jwt.ts"
import * as AuthorizationRequest from "../src/protocol/AuthorizationRequest.ts"
import * as Challenge from "../src/protocol/Challenge.ts"
import * as DeviceFlow from "../src/protocol/DeviceFlow.ts"
import * as Login from "../src/protocol/Login.ts"
import * as ServerMetadata from "../src/protocol/ServerMetadata.ts"
import * as TokenResponse from "../src/protocol/TokenResponse.ts"
import * as Redis from "../src/Redis.ts"
import * as Token from "../src/Token.ts"
import * as TokenStore from "../src/TokenStore.ts"
import * as Bitfount from "../src/vendors/Bitfount.ts"
import * as Cognite from "../src/vendors/Cognite.ts"
import * as Cortex from "../src/vendors/Cortex.ts"
import * as Google from "../src/vendors/Google.ts"
import { documents, outcome, run, runs, secrets, sentence, spoiled, tagged, type Target } from "./support/fuzzing.ts"

const { accessToken, clientSecret, refreshToken } = secrets
const requestedAt = DateTime.unsafeMake("2030-01-01T00:00:00Z")
const reasons = [
  "Ambiguous",
  "Interaction",
  "InvalidResponse",
  "ReauthenticationRequired",
  "Rejected",
  "Transport",
  "Unavailable"
]

const types = fc.constantFrom("application/json", "text/html", "application/x-www-form-urlencoded", "\0", undefined)
const dates = fc
  .tuple(
    fc.constantFrom("Mon", "Fri", "Xxx"),
    fc.nat(99),
    fc.constantFrom("Jan", "Feb", "Foo"),
    fc.nat(9999),
    fc.nat(99)
  )
  .map(([day, date, month, year, hour]) => {
    const two = (n: number) => String(n).padStart(2, "0")
    return `${day}, ${two(date)} ${month} ${String(year).padStart(4, "0")} ${two(hour)}:00:00 GMT`
  })
const pauses = fc.oneof(
  spoiled(dates),
  spoiled(fc.nat().map(String)),
  fc.bigInt().map(String),
  fc.double().map(String),
  fc.constant(undefined)
)
const answers = (bodies: fc.Arbitrary<string>, status = 200) =>
  fc.record({
    status: fc.oneof(
      { weight: 4, arbitrary: fc.constant(status) },
      { weight: 1, arbitrary: fc.constantFrom(400, 401, 429, 503) },
      { weight: 1, arbitrary: fc.integer({ min: 100, max: 599 }) }
    ),
    body: bodies,
    headers: fc.record({ "content-type": types, "retry-after": pauses, date: fc.oneof(dates, fc.constant(undefined)) })
  })

const tokenAnswer = {
  access_token: accessToken,
  token_type: "Bearer",
  expires_in: 3600,
  refresh_token: refreshToken,
  id_token: `${btoa("{}")}.${btoa(clientSecret)}.x`,
  scope: "a b",
  issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
  extra: clientSecret
}
const refusal = {
  error: "invalid_grant",
  error_description: "it has expired",
  error_uri: "https://id.test/e",
  suberror: "bad"
}
const isUsable = (token: Token.Token) => {
  expect(Token.isSendable(token)).toBe(true)
  for (const expiresAt of Option.toArray(token.expiresAt)) {
    expect(DateTime.distance(requestedAt, expiresAt)).toBeLessThanOrEqual(Timing.maxLifetime)
  }
}

/** A record as a store keeps it, with the canaries in it. */
const codec = Record.codec(Token.Token)
const record = JSON.parse(
  Either.getOrThrow(
    codec.encode({
      key: "me",
      revision: 1,
      rest: {},
      token: Token.make({
        accessToken: Redacted.make(accessToken),
        refreshToken: Option.some(Redacted.make(refreshToken)),
        extra: Redacted.make({ more: clientSecret }),
        issuedAt: requestedAt
      })
    })
  )
)
const publicMembers = Object.keys(record.token).filter(
  (name) => !["accessToken", "refreshToken", "extra"].includes(name)
)
/** Spoiled outside, and inside its token. */
const records = spoiled(
  fc.oneof(
    documents(record, ["key"]),
    fc
      .tuple(
        documents(record.token, publicMembers),
        fc.constantFrom(`"me"`, `"you"`),
        fc.constantFrom("1", "2", "0", "1e999")
      )
      .map(([token, key, version]) => `{"version":${version},"revision":1,"key":${key},"token":${token}}`)
  )
)

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "effect-credentials-fuzz-"))
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }))
/** A private file of another program's, with a text in it. */
const fileWith = (name: string, text: string): string => {
  const file = path.join(directory, name)
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  fs.writeFileSync(file, text, { mode: 0o600 })
  return file
}
const read = (key: string, layer: Layer.Layer<TokenStore.TokenStore, unknown>) =>
  outcome(
    Effect.gen(function* () {
      const store = yield* TokenStore.TokenStore
      const token = yield* store.get(key)
      return [yield* store.list, Option.getOrUndefined(token)]
    }).pipe(Effect.provide(layer))
  )

const sealed = Form.sealed(
  codec,
  await Effect.runPromise(Encryption.make(Redacted.make(new Uint8Array(32)))),
  Effect.succeed([])
)
const sealedRecord = await Effect.runPromise(
  sealed.encode({
    key: "me",
    revision: 1,
    rest: {},
    token: Either.getOrThrow(codec.decode(JSON.stringify(record))).token
  })
)

/** A Redis that answers as told, where it is not about locks. */
const redisWith = (text: unknown, names: unknown, isRefused: boolean): Redis.Client => {
  const client: Redis.Client = {
    call: (command, script) => {
      if (command === "get") return isRefused ? Promise.reject(text) : Promise.resolve(text)
      if (String(script).includes("smembers")) return Promise.resolve(names)
      return Promise.resolve(/'lost'/.test(String(script)) ? "done" : 1)
    },
    subscribe: () => Promise.resolve(),
    duplicate: () => client,
    on: () => undefined,
    disconnect: () => {}
  }
  return client
}

/** What Bitfount's file holds, as we write it. */
const bitfountFile = path.join(directory, "bitfount/_default/.token")
const bitfount = Bitfount.layerStore({ storagePath: path.join(directory, "bitfount"), environment: "production" })
await Effect.runPromise(
  Effect.flatMap(TokenStore.TokenStore, (store) =>
    store.transaction("_default", () =>
      Effect.succeedSome(Either.getOrThrow(codec.decode(JSON.stringify(record))).token)
    )
  ).pipe(Effect.provide(bitfount), Effect.withConfigProvider(ConfigProvider.fromMap(new Map())))
)
const bitfountGood = JSON.parse(fs.readFileSync(bitfountFile, "utf8"))

const files = (text: string) => FileSystem.layerNoop({ readFileString: () => Effect.succeed(text) })

const state = "af0ifjsldkj-state"
const callback = fc
  .tuple(
    fc.constantFrom("/callback", "http://127.0.0.1:8080/callback", ""),
    fc.array(
      fc.tuple(
        fc.constantFrom("code", "iss", "state", "access_token", "id_token", "x"),
        fc.constantFrom(accessToken, `${accessToken}%0d%0a`, "https://id.test", state, "", "%zz", "+")
      ),
      { maxLength: 4 }
    ),
    fc.boolean()
  )
  .map(([path, params, isOurs]) => {
    const all = isOurs ? [...params, ["state", state] as const] : params
    return `${path}?${all.map(([name, value]) => `${name}=${value}`).join("&")}`
  })

const challenges = spoiled(
  fc
    .array(
      fc.tuple(
        fc.constantFrom("Bearer", "DPoP", "Basic", "Negotiate"),
        fc.constantFrom(
          "realm",
          "error",
          "error_description",
          "scope",
          "max_age",
          "acr_values",
          "resource_metadata",
          ""
        ),
        fc.oneof(
          fc.string({ maxLength: 20 }),
          fc.constantFrom("insufficient_user_authentication", "https://api.test/x", "300")
        )
      ),
      { maxLength: 4 }
    )
    .map((all) => all.map(([scheme, name, value]) => `${scheme} ${name}=${JSON.stringify(value)}`).join(", "))
)

const encoded = (text: string): string => Buffer.from(text).toString("base64url")

const targets: Readonly<Record<string, Target<any>>> = {
  "token answers (S019, S020, S040)": {
    inputs: answers(spoiled(documents(tokenAnswer, ["scope"]))),
    failure: tagged("RefreshError"),
    read: (answer) =>
      Either.map(TokenResponse.decode({ provider: "Test", requestedAt, ...answer }), (token) => {
        isUsable(token)
        return token
      })
  },
  "answers to logins of a server's own": {
    inputs: answers(
      spoiled(
        documents(
          { data: { jwt: accessToken, more: [refreshToken] }, error_msg: "wrong", until: 1893456000, ok: true },
          ["error_msg"]
        )
      )
    ),
    failure: tagged("RefreshError"),
    read: (answer) =>
      Login.decode(
        { params: [], shape: { accessToken: "data.jwt", expiresAt: "until" }, message: "error_msg", oneTime: true },
        { provider: "Test", requestedAt, ...answer }
      )
  },
  "refusals, and how long they say to wait (S058)": {
    inputs: answers(spoiled(documents(refusal, Object.keys(refusal)))),
    failure: tagged(...reasons),
    read: (answer) => {
      const reason = TokenResponse.failureOf({ requestedAt, ...answer })
      if (reason._tag === "Unavailable" && reason.retryAfter !== undefined) {
        const millis = Duration.toMillis(reason.retryAfter)
        expect(millis >= 0 && millis <= Timing.maxLifetime).toBe(true)
      }
      expect(reasons).toContain(reason._tag)
      return Either.right(reason)
    }
  },
  "device answers": {
    inputs: answers(
      spoiled(
        documents(
          {
            device_code: accessToken,
            user_code: "ABCD-EFGH",
            verification_uri: "https://id.test/device",
            verification_uri_complete: "https://id.test/device?user_code=ABCD-EFGH",
            expires_in: 600,
            interval: 5
          },
          ["user_code", "verification_uri", "verification_uri_complete"]
        )
      )
    ),
    failure: tagged(...reasons),
    read: (answer) => {
      DeviceFlow.waiting(answer)
      return Either.map(DeviceFlow.decode(answer), (device) => {
        expect(Url.endpoint(device.verificationUri)).toBeDefined()
        return device
      })
    }
  },
  "answers to pushed requests": {
    inputs: answers(
      spoiled(documents({ request_uri: "urn:ietf:params:oauth:request_uri:x", expires_in: 60 }, ["request_uri"])),
      201
    ),
    failure: tagged(...reasons),
    read: AuthorizationRequest.decodePushed
  },
  "JWTs that are looked into (S287)": {
    inputs: fc.oneof(
      spoiled(fc.constant("")),
      spoiled(
        fc
          .tuple(
            spoiled(documents({ alg: "RS256", typ: "JWT", kid: "1", enc: clientSecret })),
            spoiled(documents({ iss: "https://id.test", sub: accessToken, aud: ["a"], exp: 1893456000, iat: 0 })),
            fc.constantFrom("c2ln", "", "_-", "=", "==")
          )
          .map(([header, claims, signature]) => `${encoded(header)}.${encoded(claims)}.${signature}`)
      )
    ),
    failure: tagged("JwtError"),
    // Looking inside is what it is for.
    isValueLooked: false,
    read: (token) => {
      Jwt.expiresAt(token)
      return Jwt.decode(token)
    }
  },
  "discovery documents": {
    inputs: spoiled(
      documents({
        issuer: "https://id.test",
        token_endpoint: "https://id.test/token",
        authorization_endpoint: "https://id.test/authorize",
        jwks_uri: "https://id.test/jwks",
        revocation_endpoint: "https://id.test/revoke",
        mtls_endpoint_aliases: { token_endpoint: "https://mtls.id.test/token" },
        authorization_response_iss_parameter_supported: true,
        require_pushed_authorization_requests: false
      })
    ),
    failure: sentence,
    isValueLooked: false,
    read: (document) =>
      Either.map(ServerMetadata.decode("https://id.test", document), (metadata) => {
        expect(metadata.issuer).toBe("https://id.test")
        expect(ServerMetadata.unsafeEndpoint(metadata)).toBeUndefined()
        return metadata
      })
  },
  "callback URLs (S204, S208)": {
    inputs: fc.oneof(spoiled(callback), callback),
    failure: tagged("Stray", "Failed"),
    read: (text) => {
      const expected = { state: Redacted.make(state), issuer: Option.some("https://id.test") }
      const answer = AuthorizationRequest.decode(text, expected)
      if (answer._tag !== "Code") return Either.left(answer)
      // What is pasted has blanks around it.
      const [address = ""] = text.trim().split("#")
      expect(new URLSearchParams(address.slice(address.indexOf("?") + 1)).getAll("state")).toEqual([state])
      return Either.right(answer)
    }
  },
  "WWW-Authenticate": {
    inputs: challenges,
    failure: sentence,
    read: (header) => {
      Challenge.refusalIn({ "www-authenticate": header })
      const refusals = Challenge.refusals(header)
      expect(refusals.length).toBeLessThanOrEqual(Challenge.parse(header).length)
      for (const { description, error, resourceMetadata } of refusals) {
        for (const text of [...Option.toArray(description), ...Option.toArray(error)]) expect(sentence(text)).toBe(true)
        for (const url of Option.toArray(resourceMetadata)) expect(Url.endpoint(url)).toBeDefined()
      }
      return Either.right(refusals)
    }
  },
  "profile files (S179)": {
    inputs: spoiled(
      fc.oneof(
        documents({
          version: 1,
          profiles: { work: { TOKEN: { secret: clientSecret }, URL: "https://id.test" }, home: {} }
        }),
        documents({ TOKEN: { secret: clientSecret }, URL: "https://id.test", EMPTY: "" }, ["URL", "EMPTY"]).map(
          (profile) => `{"version":1,"profiles":{"work":${profile}}}`
        )
      )
    ),
    failure: tagged("Problem"),
    read: (text) =>
      Either.mapLeft(
        Either.map(Profiles.parse(Option.some(text)), (document) =>
          Profiles.names(document).map((name) =>
            Either.mapLeft(Profiles.settingsOf(document, name), ({ reason }) => reason)
          )
        ),
        (problem) => ({ _tag: "Problem", ...problem })
      ),
    isValueLooked: false
  },
  "records of a token store (S019)": {
    inputs: records,
    failure: tagged("TokenStoreError"),
    read: (text) =>
      read(
        "me",
        Layer.provide(
          TokenStore.layerKeyValueStore(),
          Layer.succeed(
            KeyValueStore.KeyValueStore,
            KeyValueStore.makeStringOnly({
              get: (key) => Effect.succeedSome(key.endsWith(".names") ? "me" : text),
              set: () => Effect.void,
              remove: () => Effect.void,
              clear: Effect.void,
              size: Effect.succeed(1)
            })
          )
        )
      )
  },
  "encrypted records": {
    inputs: fc.oneof(spoiled(fc.constant(sealedRecord)), records),
    failure: ({ reason }: any) => ["Corrupt", "NewerVersion", "Permissions", "Unavailable"].includes(reason),
    read: (text) => outcome(Effect.map(sealed.decode(text, "me"), ({ token }) => token))
  },
  "what Redis holds, and says": {
    inputs: fc.tuple(
      fc.oneof(
        { weight: 4, arbitrary: records },
        {
          weight: 1,
          arbitrary: fc.constantFrom<unknown>(null, 0, [], {}, [accessToken], new Error(`ERR ${accessToken}`))
        },
        {
          weight: 1,
          arbitrary: fc
            .tuple(
              fc.constantFrom("WRONGTYPE", "NOAUTH", "ERR", "", "A".repeat(99)),
              fc.constantFrom("ReplyError", "Error")
            )
            .map(([code, name]) =>
              Object.assign(new Error(`${code} SET me ${accessToken}`), { name, command: refreshToken })
            )
        }
      ),
      fc.constantFrom<unknown>(null, [], ["me"], [1, null, {}], "me", { 0: "me" }),
      fc.boolean()
    ),
    failure: tagged("TokenStoreError"),
    read: ([text, names, isRefused]) => read("me", Redis.layer({ client: redisWith(text, names, isRefused) }))
  },
  "Google's files": {
    inputs: spoiled(
      fc.oneof(
        documents(
          {
            type: "authorized_user",
            client_id: "me",
            client_secret: clientSecret,
            refresh_token: refreshToken,
            token: accessToken,
            expiry: "2030-01-01T00:00:00.000001Z",
            scopes: ["a"],
            quota_project_id: "p",
            rapt_token: accessToken
          },
          ["type", "client_id", "scopes", "quota_project_id"]
        ),
        documents(
          {
            type: "service_account",
            client_email: "robot@p.iam.gserviceaccount.com",
            private_key: `-----BEGIN PRIVATE KEY-----\n${btoa(clientSecret)}\n-----END PRIVATE KEY-----\n`,
            private_key_id: "1",
            token_uri: "https://oauth2.googleapis.com/token"
          },
          ["type", "client_email", "token_uri"]
        ),
        documents(
          {
            type: "external_account",
            audience: "//iam.googleapis.com/x",
            subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
            token_url: "https://sts.googleapis.com/v1/token",
            credential_source: { url: "https://metadata.google.internal/x", headers: { a: clientSecret } },
            service_account_impersonation_url:
              "https://iamcredentials.googleapis.com/v1/projects/-/x:generateAccessToken"
          },
          ["type", "audience", "subject_token_type", "token_url", "service_account_impersonation_url"]
        )
      )
    ),
    failure: tagged("InvalidOption", "PartialCredentials"),
    read: async (text) => {
      const user = await outcome(Effect.provide(Google.fromAuthorizedUserFile("/adc.json"), files(text)))
      const loaded = await outcome(Google.load(text))
      return Either.all([user, loaded])
    }
  },
  "Cortex's file": {
    inputs: spoiled(
      fc.oneof(
        documents({
          _default: {
            "1": { profile: "me", access_token: accessToken, refresh_token: refreshToken, client_secret: clientSecret }
          }
        }),
        documents(
          { profile: "me", access_token: accessToken, refresh_token: refreshToken, client_secret: clientSecret },
          ["profile"]
        ).map((document) => `{"_default":{"1":${document}}}`)
      )
    ),
    failure: tagged("TokenStoreError"),
    read: (text) => read("me", Cortex.layerStore({ dbfile: fileWith("cortex/credentials.json", text) }))
  },
  "Bitfount's file": {
    inputs: spoiled(documents(bitfountGood)),
    failure: tagged("TokenStoreError"),
    read: (text) => {
      fileWith("bitfount/_default/.token", text)
      return read("_default", bitfount)
    }
  },
  "Cognite's cache and configuration": {
    inputs: spoiled(
      fc.oneof(
        documents({
          Account: { a: { home_account_id: "1", username: "ada" } },
          AccessToken: {
            t: { home_account_id: "1", client_id: "app", secret: accessToken, target: "a", expires_on: "1893456000" }
          },
          RefreshToken: { r: { home_account_id: "1", client_id: "app", secret: refreshToken } }
        }),
        documents(
          {
            token_url: "https://id.test/token",
            client_id: "app",
            client_secret: clientSecret,
            scopes: ["a"],
            audience: "x"
          },
          ["token_url", "client_id", "scopes", "audience"]
        ).map((settings) => `{"client_credentials":${settings}}`)
      )
    ),
    failure: tagged("InvalidOption"),
    read: async (text) => {
      const cached = Cognite.cached({ clientId: "app", path: "/cache.bin" })
      const found = await outcome(Effect.provide(cached, files(text)))
      const loaded = await outcome(Cognite.load(text))
      return Either.isLeft(loaded) ? loaded : Either.all([found, loaded])
    }
  }
}

describe(`what others write, spoiled ${runs} times`, () => {
  it.each(Object.entries(targets))("%s", { timeout: 3_600_000 }, async (name, target) => {
    const { failures, slow, slowest, values } = await run(target)
    if (process.env["FUZZ"] !== undefined) {
      console.log(`${name}: ${values} values, ${failures} failures, slowest ${slowest.toFixed(1)} ms: ${slow}`)
    }
    expect(values + failures).toBe(runs)
    // One that takes nothing, or everything, has not understood what it is given.
    expect(values).toBeGreaterThan(0)
  })
})

describe("what is wrong is found", () => {
  const inputs = fc.constant("")
  const leaky = { request: { headers: { authorization: `Bearer ${accessToken.slice(0, 20)}` } } }

  it.each<[string, RegExp, Target<string>]>([
    ["a defect", /on purpose/, { inputs, failure: sentence, read: () => outcome(Effect.dieMessage("on purpose")) }],
    [
      "something thrown",
      /on purpose/,
      {
        inputs,
        failure: sentence,
        read: () => {
          throw new Error("on purpose")
        }
      }
    ],
    [
      "another failure",
      /something else/,
      { inputs, failure: tagged("RefreshError"), read: () => Either.left({ _tag: "Other" }) }
    ],
    [
      "a secret in a failure",
      /shows the accessToken/,
      { inputs, failure: () => true, read: () => Either.left(Object.assign(new Error("it failed"), { cause: leaky })) }
    ],
    ["a secret in a value", /shows the accessToken/, { inputs, failure: sentence, read: () => Either.right(leaky) }],
    [
      "a secret in a log",
      /shows the accessToken/,
      { inputs, failure: sentence, read: () => outcome(Effect.logWarning(leaky)) }
    ]
  ])("%s", async (_, what, target) => {
    const error: unknown = await run(target).then(
      () => undefined,
      (error: unknown) => error
    )
    expect(`${error} ${(error as Error).cause}`).toMatch(what)
  })
})
