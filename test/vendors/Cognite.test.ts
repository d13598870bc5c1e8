/** Cognite, against stand-ins of Entra ID and of another issuer. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { expect, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"
import { generateKeyPairSync } from "node:crypto"
import { cognite } from "../../examples/support/standIns/cognite.ts"
import * as AuthenticatedHttpClient from "../../src/AuthenticatedHttpClient.ts"
import * as Credentials from "../../src/Credentials.ts"
import * as Provider from "../../src/Provider.ts"
import * as Cognite from "../../src/vendors/Cognite.ts"
import { scenarios } from "./scenario.ts"

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 })
const certificate = privateKey.export({ type: "pkcs8", format: "pem" }).toString()

/** A browser in which somebody logs in at once, or denies. */
const browser = (isDenied: boolean) => {
  const opened: Array<URL> = []
  return {
    opened,
    open: async (address: string) => {
      const url = new URL(address)
      opened.push(url)
      const answer = new URLSearchParams({
        state: url.searchParams.get("state")!,
        ...(isDenied ? { error: "access_denied" } : { code: "c0de" })
      })
      // The listener answers on the loopback address whatever name the redirect URI has.
      await fetch(`${url.searchParams.get("redirect_uri")}?${answer}`)
    }
  }
}

const loads = {
  interactive: { authority_url: "https://id.example.com/t", client_id: "a", scopes: ["s"] },
  device_code: { oauth_discovery_url: "https://id.example.com", client_id: "a", cdf_cluster: "api", audience: "b" },
  client_certificate: {
    authority_url: "https://id.example.com/t",
    client_id: "a",
    cert_thumbprint: "ab".repeat(20),
    certificate,
    scopes: "s"
  }
}

scenarios("cognite", {
  standIn: cognite,
  build: ({ cache, config, entraId, isDenied = false, kind, makes, redirectPort, ...given }, world) =>
    Effect.gen(function* () {
      const page = browser(isDenied)
      let made = 0
      const prompt = () => Effect.void
      const options = {
        ...(entraId === undefined ? {} : Cognite.entraId(entraId)),
        ...(redirectPort === undefined || redirectPort === null ? {} : { redirectPort }),
        ...given
      }
      const before = JSON.stringify(config)
      const loaded = kind === "load" ? yield* Cognite.load(config) : undefined
      const provider: Provider.Provider<any> =
        loaded?.provider ??
        {
          token: () => Cognite.token(given.token),
          factory: () => Cognite.token(() => makes ?? `made${++made}`),
          clientCredentials: () => Cognite.clientCredentials(options),
          interactive: () => Cognite.interactive({ open: page.open, show: () => Effect.void, ...options }),
          deviceCode: () => Cognite.deviceCode({ prompt, ...options }),
          clientCertificate: () =>
            Cognite.clientCertificate({ certThumbprint: "ab".repeat(20), certificate, ...options })
        }[kind as "token"]()
      const whole = cache === true ? Provider.startingWith(provider, Cognite.cached(options)) : provider
      const context = yield* Layer.build(
        AuthenticatedHttpClient.layer({ origins: [world.server] }).pipe(
          Layer.provideMerge(Cognite.layer(whole, loaded === undefined ? {} : { renewAhead: loaded.renewAhead })),
          Layer.provide(NodeFileSystem.layer)
        )
      )
      const client = yield* Effect.provide(AuthenticatedHttpClient.AuthenticatedHttpClient, context)
      const credentials = yield* Effect.provide(Credentials.Credentials, context)
      const value = Effect.map(credentials.token, ({ accessToken }) => Redacted.value(accessToken))
      return {
        token: () => value,
        get: (path: string) => Effect.map(client.get(world.server + path), ({ status }) => ({ status })),
        storm: (callers: number) =>
          Effect.map(
            Effect.all(
              Array.from({ length: callers }, () => value),
              { concurrency: "unbounded" }
            ),
            (values) => [...new Set(values)]
          ),
        maintain: () => credentials.maintain,
        expiresIn: () =>
          Effect.map(credentials.token, ({ expiresAt, issuedAt }) =>
            Option.map(expiresAt, (at) => DateTime.distance(issuedAt, at) / 1000).pipe(Option.getOrNull)
          ),
        opened: () =>
          Effect.sync(() => {
            const url = page.opened.at(-1)!
            return { origin: url.origin, path: url.pathname, ...Object.fromEntries(url.searchParams) }
          }),
        // Where the port is taken by somebody else, the error names it.
        port: () =>
          Effect.map(Effect.flip(credentials.token), ({ message }) => {
            const redirect = page.opened.at(-1)?.searchParams.get("redirect_uri")
            return redirect === undefined || redirect === null ? /\d{5}/.exec(message)?.[0] : new URL(redirect).port
          }),
        /** Whether the login has taken as long as it should at least, in seconds. */
        takes: (seconds: number) => Effect.map(Effect.timed(value), ([took]) => Duration.toSeconds(took) >= seconds),
        assertion: () =>
          Effect.map(value, () => {
            const [header, claims] = world.seen
              .at(-1)!
              .form!["client_assertion"]!.split(".")
              .map((part) => part.replaceAll("-", "+").replaceAll("_", "/"))
              .slice(0, 2)
              .map((part) => JSON.parse(atob(part)))
            return { alg: header.alg, x5tBytes: Buffer.from(header.x5t, "base64url").length, ...claims }
          }),
        unchanged: () => Effect.sync(() => expect(JSON.stringify(config)).toBe(before)),
        loads: () =>
          Effect.forEach(Object.entries(loads), ([kind, config]) =>
            Effect.map(Cognite.load({ [kind]: config }), ({ provider }) => provider.name)
          )
      }
    })
})

const odd = fc.oneof(
  fc.constantFrom(
    "..",
    ".",
    "a/../b",
    "evil.test/",
    "evil.test#",
    "evil.test?",
    "evil.test\\",
    "a@evil.test:1",
    "%2f",
    ""
  ),
  fc.string(),
  fc.constantFrom("westeurope-1", "contoso.example")
)

it("no tenant and no cluster, whatever it is called, leads anywhere but to its own place (S270, S271)", () => {
  const address = (text: string) => (URL.canParse(text) ? new URL(text) : undefined)
  fc.assert(
    fc.property(odd, odd, (tenant, cluster) => {
      const { authorityUrl, scopes, tokenUrl } = Cognite.entraId({ tenant, cluster })
      for (const [text, rest] of [
        [authorityUrl, /^\/[^/]*$/],
        [tokenUrl, /^\/[^/]*\/oauth2\/v2.0\/token$/]
      ] as const) {
        const url = new URL(text)
        expect([url.origin, url.search, url.hash]).toEqual(["https://login.microsoftonline.com", "", ""])
        expect(url.pathname).toMatch(rest)
      }
      // Either no address, or one of theirs.
      for (const scope of [...scopes, ...Cognite.deviceScopes(cluster).slice(0, 2)]) {
        expect(address(scope)?.host ?? "x.cognitedata.com").toMatch(/\.cognitedata\.com$/)
      }
    })
  )
})
