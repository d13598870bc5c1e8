/** A real authorization server (oidc-provider) on this machine where people log in with a second device, and somebody who does. */
import { Effect, type Scope } from "effect"
// Also keeps the server's advice for production off the screen: it comes first.
import { pollingEverySecond } from "./authorizationServer.ts"
import { listen } from "./listen.ts"

const { Provider } = await import("oidc-provider")

/** A running server. */
export interface DeviceServer {
  readonly issuer: string
  /** A client that may start such logins, and has no secret. */
  readonly clientId: string
  /** Whether an access token is good now: what an API has to know. */
  readonly accepts: (accessToken: string) => Promise<boolean>
}

/** Starts a server that runs until the scope closes. Anybody may log in, with any name and password. */
export const deviceServer: Effect.Effect<DeviceServer, never, Scope.Scope> = Effect.gen(function* () {
  const clientId = "device-login"
  const issuer = yield* listen((request, response) => handle(request, response))
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: clientId,
        client_name: "the device-login example",
        token_endpoint_auth_method: "none",
        grant_types: ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        redirect_uris: [],
        response_types: []
      }
    ],
    scopes: ["openid", "offline_access"],
    findAccount: (_: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    features: { deviceFlow: { enabled: true }, revocation: { enabled: true, allowedPolicy: () => true } },
    cookies: { keys: [crypto.randomUUID()] },
    rotateRefreshToken: true,
    ttl: {
      AccessToken: 60,
      DeviceCode: 600,
      Grant: 3600,
      IdToken: 60,
      Interaction: 600,
      RefreshToken: 3600,
      Session: 600
    }
  })
    .on("server_error", (_, error) => console.error(`authorization server: ${error.stack}`))
    .use(pollingEverySecond)
  const handle = provider.callback()
  return { issuer, clientId, accepts: async (token) => (await provider.AccessToken.find(token)) !== undefined }
})

/**
 * Does what a person does in a browser: opens the address, submits every page as it is, logs in as `ada`. Says what the last page says.
 */
export const decide = async (address: string, decision: "approve" | "deny"): Promise<string> => {
  const cookies = new Map<string, string>()
  let at = new URL(address)
  let form: URLSearchParams | undefined
  let isDenied = false
  for (let page = 0; page < 20; page++) {
    const response = await fetch(at, {
      method: form === undefined ? "GET" : "POST",
      headers: { cookie: Array.from(cookies, ([name, value]) => `${name}=${value}`).join("; ") },
      body: form ?? null,
      redirect: "manual"
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!
      if (value === "") cookies.delete(name!)
      else cookies.set(name!, value!)
    }
    const location = response.headers.get("location")
    const html = await response.text()
    const action = /<form[^>]* action="([^"]+)"/.exec(html)?.[1]
    if (location === null && (action === undefined || isDenied)) {
      return html
        .replaceAll(/<(head|style|script)[\s\S]*?<\/\1>|<[^>]+>/g, " ")
        .replaceAll(/\s+/g, " ")
        .trim()
    }
    at = new URL((location ?? action!).replaceAll("&amp;", "&"), at)
    form =
      location === null
        ? new URLSearchParams(
            Array.from(html.matchAll(/<input[^>]* name="([^"]+)"[^>]*>/g), ([input, name]) => [
              name!,
              / value="([^"]*)"/.exec(input)?.[1] ?? "ada"
            ])
          )
        : undefined
    if (decision === "deny" && form?.has("confirm") === true) {
      form.set("abort", "yes")
      isDenied = true
    }
  }
  return "too many pages"
}
