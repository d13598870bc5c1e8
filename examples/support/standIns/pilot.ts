/** PILOT: people, tokens and answers as its servers have them. The person is `ada`, the password `s3cret`. */
import type { Answer, Seen } from "../standIn.ts"

/** As the portal writes: an envelope with a code of its own. */
const envelope = (status: number, result: unknown, error_msg = ""): Answer => ({
  status,
  json: { code: status, error_msg, page: 0, total: 1, num_of_pages: 1, result }
})

/** The portal with its identity provider, the computing gateway and the command line's realm. */
export const pilot = (
  told: { accepts?: Array<string>; refreshable?: Array<string>; forgets?: true; broken?: true } = {}
): ((request: Seen) => Answer) => {
  let issued = 0
  let polls = 0
  const accepted = new Set(["hpc-token", ...(told.accepts ?? [])])
  const refreshable = new Set(told.refreshable)
  const tokens = () => {
    const n = ++issued
    accepted.add(`a${n}`)
    if (told.forgets === undefined) refreshable.add(`r${n}`)
    // As the identity provider behind the portal answers.
    return {
      access_token: `a${n}`,
      expires_in: 300,
      refresh_expires_in: 1800,
      refresh_token: `r${n}`,
      token_type: "Bearer",
      "not-before-policy": 0,
      session_state: "5e55",
      scope: "openid profile"
    }
  }
  const login = ({ password, username }: { password: string; username: string }, result: () => unknown) =>
    username === "nobody"
      ? envelope(404, [], "user is unknown")
      : password === "s3cret"
        ? envelope(200, result())
        : envelope(401, [], "user name or password is wrong")
  return ({ form, headers, json, path }: Seen): Answer => {
    switch (path) {
      case "/portal/users/auth":
        return told.broken ? { status: 500, body: "<h1>Internal Server Error</h1>" } : login(json, tokens)
      case "/v1/hpc/auth":
        return login(json, () => "hpc-token")
      case "/portal/users/refresh":
        return refreshable.delete(json.refreshtoken) ? envelope(200, tokens()) : envelope(401, [], "not known")
      case "/realm/api-key/k%2F3y":
        return { json: tokens() }
      case "/realm/protocol/openid-connect/auth/device":
        return {
          json: {
            device_code: "d3vice",
            user_code: "ABCD",
            verification_uri: "https://id.example.com/device",
            expires_in: 600,
            interval: 5
          }
        }
      case "/realm/protocol/openid-connect/token":
        return form?.["grant_type"] === "refresh_token"
          ? refreshable.delete(form["refresh_token"]!)
            ? { json: tokens() }
            : { status: 400, json: { error: "invalid_grant" } }
          : ++polls < 2
            ? { status: 400, json: { error: "authorization_pending" } }
            : { json: tokens() }
    }
    const said = /^\/v1\/answers\/(\d+)$/.exec(path)?.[1]
    if (said !== undefined) {
      // The status of HTTP says nothing here.
      const { json } = envelope(Number(said), { n: Number(said) }, "said so")
      return { status: 200, json }
    }
    const token = headers["authorization"]?.replace("Bearer ", "") ?? ""
    return accepted.has(token) ? envelope(200, []) : { status: 401, json: { code: 401, error_msg: "no", result: [] } }
  }
}
