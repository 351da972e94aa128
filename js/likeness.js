// Shows on a node what it reported after it ran, and on Load Identity whom the file holds before.
import { api } from '../../scripts/api.js'
import { app } from '../../scripts/app.js'
import { ComfyWidgets } from '../../scripts/widgets.js'

const WIDGET = 'report_text'
const LOADER = 'LikenessLoadIdentity'
const LIBRARY = '/experiment/models' // core's own; it knows the pictures inside model files
const FOLDER = 'identities'

function show(node, output) {
  const text = output?.text
  if (!text || output.images) return // a node that shows a picture needs the room for it
  const shown = Array.isArray(text) ? text.join('\n') : String(text)
  let widget = node.widgets?.find((w) => w.name === WIDGET)
  if (!widget) {
    widget = ComfyWidgets.STRING(node, WIDGET, ['STRING', { multiline: true }], app).widget
    widget.serialize = false // a saved workflow holds no reports
    widget.options.serialize = false
    if (widget.inputEl) widget.inputEl.readOnly = true
    const [width, height] = node.computeSize()
    node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], height)])
  }
  widget.value = shown
}

async function pictureOf(name) {
  const answer = await api.fetchApi(`${LIBRARY}/${FOLDER}`)
  const file = answer.ok && (await answer.json()).find((each) => each.name === name)
  if (!file) return undefined
  const path = name.split(/[\\/]/).map(encodeURIComponent).join('/')
  const picture = new Image()
  picture.src = api.apiURL(
    `${LIBRARY}/preview/${FOLDER}/${file.pathIndex}/${path}?${file.modified}`
  )
  await picture.decode()
  return picture
}

async function showChosen(node, widget) {
  const name = widget.value
  const picture = await pictureOf(name).catch(() => undefined) // a file without one, or no library
  if (widget.value !== name) return // another was chosen meanwhile
  node.imgs = picture && [picture]
  const draw = () => node.setDirtyCanvas(true, true)
  draw()
  requestAnimationFrame(() => requestAnimationFrame(draw)) // the first made room in the node
}

function watchChoice(nodeType) {
  const { onNodeCreated, onConfigure } = nodeType.prototype
  const chosen = (node) => node.widgets?.find((w) => w.name === 'identity')
  nodeType.prototype.onNodeCreated = function (...args) {
    onNodeCreated?.apply(this, args)
    const widget = chosen(this)
    if (!widget) return
    const { callback } = widget
    widget.callback = (...values) => {
      callback?.apply(widget, values)
      showChosen(this, widget)
    }
    showChosen(this, widget)
  }
  nodeType.prototype.onConfigure = function (...args) {
    onConfigure?.apply(this, args)
    const widget = chosen(this)
    if (widget) showChosen(this, widget)
  }
}

app.registerExtension({
  name: 'Likeness.Report',
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!nodeData.name.startsWith('Likeness')) return
    const onExecuted = nodeType.prototype.onExecuted
    nodeType.prototype.onExecuted = function (output) {
      onExecuted?.call(this, output)
      show(this, output)
    }
    if (nodeData.name === LOADER) watchChoice(nodeType)
  }
})
