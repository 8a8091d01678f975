// Passkeys in the console: the only script there is. Everything else works without it.
'use strict'

const toBytes = (text) => {
  const plain = atob(text.replace(/-/g, '+').replace(/_/g, '/'))
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0))
}

const toText = (buffer) => {
  if (!buffer) return null
  const plain = String.fromCharCode(...new Uint8Array(buffer))
  return btoa(plain).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')
}

const post = async (path, token, value) => {
  const answer = await fetch(path, {
    method: 'POST',
    credentials: 'same-origin',
    headers: { 'Content-Type': 'application/json', 'X-Form-Token': token },
    body: JSON.stringify(value),
  })
  const body = await answer.json()
  if (!answer.ok) throw new Error(body.detail)
  return body
}

const withBytes = (list) => (list || []).map((one) => ({ ...one, id: toBytes(one.id) }))

const create = async (options) => {
  const { publicKey } = options
  const made = await navigator.credentials.create({
    publicKey: {
      ...publicKey,
      challenge: toBytes(publicKey.challenge),
      user: { ...publicKey.user, id: toBytes(publicKey.user.id) },
      excludeCredentials: withBytes(publicKey.excludeCredentials),
    },
  })
  return {
    id: made.id,
    rawId: toText(made.rawId),
    type: made.type,
    extensions: {},
    response: {
      attestationObject: toText(made.response.attestationObject),
      clientDataJSON: toText(made.response.clientDataJSON),
    },
  }
}

const get = async (options) => {
  const { publicKey } = options
  const shown = await navigator.credentials.get({
    publicKey: {
      ...publicKey,
      challenge: toBytes(publicKey.challenge),
      allowCredentials: withBytes(publicKey.allowCredentials),
    },
  })
  return {
    id: shown.id,
    rawId: toText(shown.rawId),
    type: shown.type,
    extensions: {},
    response: {
      authenticatorData: toText(shown.response.authenticatorData),
      clientDataJSON: toText(shown.response.clientDataJSON),
      signature: toText(shown.response.signature),
      userHandle: toText(shown.response.userHandle),
    },
  }
}

// A form with data-passkey="create" or "get" asks its action for options and sends the answer to
// data-finish. What it says while it works and when it fails goes to its [role=status].
for (const form of document.querySelectorAll('form[data-passkey]')) {
  if (!window.PublicKeyCredential) continue
  form.hidden = false
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    const status = form.querySelector('[role=status]')
    const fields = Object.fromEntries(new FormData(form))
    const button = form.querySelector('button')
    button.disabled = true
    status.textContent = form.dataset.waiting
    try {
      const { ticket, options } = await post(form.getAttribute('action'), fields.token, fields)
      const answer = await (form.dataset.passkey === 'create' ? create : get)(options)
      const done = await post(form.dataset.finish, fields.token, { ...fields, ticket, answer })
      window.location.assign(done.next)
    } catch (error) {
      status.textContent = error.name === 'NotAllowedError' ? form.dataset.stopped : error.message
    } finally {
      button.disabled = false
    }
  })
}
