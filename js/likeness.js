// Shows what a Likeness node reported on the node itself, after it ran.
import { app } from '../../scripts/app.js'
import { ComfyWidgets } from '../../scripts/widgets.js'

const WIDGET = 'report_text'

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

app.registerExtension({
  name: 'Likeness.Report',
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!nodeData.name.startsWith('Likeness')) return
    const onExecuted = nodeType.prototype.onExecuted
    nodeType.prototype.onExecuted = function (output) {
      onExecuted?.call(this, output)
      show(this, output)
    }
  }
})
