"""CTK's containers and buttons, declared as in CTK's headers (Libs/Widgets/ctk*.h)."""

from __future__ import annotations

from PySide6.QtCore import Property, QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QPainter, QPalette
from PySide6.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QFrame,
    QGroupBox,
    QMessageBox,
    QPushButton,
    QStyle,
    QStyleOption,
    QStyleOptionButton,
    QStyleOptionFrame,
    QStyleOptionGroupBox,
    QStylePainter,
    QWidget,
)

from .declare import stored

_NO_LIMIT = (1 << 24) - 1  # QWIDGETSIZE_MAX


class _Folding:
    """Hides the child widgets when collapsed, and shows again those that would be visible.

    As in CTK, a child that is shown while the section is collapsed stays hidden until it is not collapsed any more.
    """

    _isFolded = False
    _isFolding = False
    _folded: tuple = ()

    def _fold(self, collapsed: bool) -> None:
        children = [child for child in self.children() if isinstance(child, QWidget)]
        self._isFolding, self._isFolded = True, collapsed
        if collapsed:
            self._folded = tuple(child for child in children if not child.isHidden())
            for child in children:
                child.installEventFilter(self)
            for child in self._folded:
                child.hide()
        else:
            for child in self._folded:
                child.show()
            self._folded = ()
        self._isFolding = False
        self.updateGeometry()

    def eventFilter(self, child, event) -> bool:
        if self._isFolded and not self._isFolding:
            kind = event.type()
            if kind == QEvent.Type.ShowToParent:
                self._folded = (*(other for other in self._folded if other is not child), child)
                self._isFolding = True
                child.hide()
                self._isFolding = False
            elif kind == QEvent.Type.HideToParent:
                self._folded = tuple(other for other in self._folded if other is not child)
        return False


class ctkCollapsibleButton(_Folding, QAbstractButton):
    """A section with a title button that shows and hides its contents."""

    contentsCollapsed = Signal(bool)

    collapsedHeight = stored("collapsedHeight", int, 10)
    flat = stored("flat", bool, False)
    contentsFrameShape = stored("contentsFrameShape", int, QFrame.Shape.NoFrame.value)
    contentsFrameShadow = stored("contentsFrameShadow", int, QFrame.Shadow.Plain.value)
    contentsLineWidth = stored("contentsLineWidth", int, 1)
    contentsMidLineWidth = stored("contentsMidLineWidth", int, 0)
    buttonTextAlignment = stored("buttonTextAlignment", int, int(Qt.AlignmentFlag.AlignLeft.value))
    indicatorAlignment = stored("indicatorAlignment", int, int(Qt.AlignmentFlag.AlignLeft.value))

    def __init__(self, *arguments):
        text = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        parent = next((item for item in arguments if isinstance(item, QWidget)), None)
        super().__init__(parent)
        self.setText(text)
        self._isCollapsed = False
        self.setContentsMargins(0, self._headerHeight(), 0, 0)
        self.clicked.connect(lambda *_: self._setCollapsed(not self._isCollapsed))

    def _headerHeight(self) -> int:
        return self.fontMetrics().height() + 10

    def _setCollapsed(self, value: bool) -> None:
        if value == self._isCollapsed:
            return
        self._isCollapsed = value
        self._fold(value)
        self.contentsCollapsed.emit(value)

    collapsed = Property(bool, lambda self: self._isCollapsed, _setCollapsed)

    def hitButton(self, position) -> bool:
        return position.y() <= self._headerHeight()

    def minimumSizeHint(self) -> QSize:
        hint = super().minimumSizeHint()
        return hint.expandedTo(QSize(self.fontMetrics().horizontalAdvance(self.text()) + 40, self._headerHeight()))

    def sizeHint(self) -> QSize:
        if self._isCollapsed:
            return QSize(super().sizeHint().width(), self._headerHeight())
        return super().sizeHint().expandedTo(self.minimumSizeHint())

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        header = self.rect()
        header.setHeight(self._headerHeight() - 3)
        button = QStyleOptionButton()  # the title is drawn as a push button, as in CTK
        button.initFrom(self)
        button.rect = header
        self.style().drawPrimitive(QStyle.PrimitiveElement.PE_PanelButtonCommand, button, painter, self)
        option = QStyleOption()
        option.initFrom(self)
        option.rect = header.adjusted(6, 0, 0, 0)
        option.rect.setWidth(12)
        arrow = QStyle.PrimitiveElement
        shape = arrow.PE_IndicatorArrowRight if self._isCollapsed else arrow.PE_IndicatorArrowDown
        self.style().drawPrimitive(shape, option, painter, self)
        painter.drawText(
            header.adjusted(24, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextShowMnemonic, self.text()
        )
        painter.end()


class ctkCollapsibleGroupBox(_Folding, QGroupBox):
    """A group box whose title shows and hides its contents. As in CTK, an arrow stands where a check box would be, and
    a thin empty frame is left of what is collapsed."""

    collapsedHeight = stored("collapsedHeight", int, 14)

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._onToggled)

    def _onToggled(self, checked: bool) -> None:
        self._fold(not checked)
        self.setMaximumHeight(_NO_LIMIT if checked else self.fontMetrics().height() + 4 + self.collapsedHeight)

    def paintEvent(self, event) -> None:
        painter = QStylePainter(self)
        option = QStyleOptionGroupBox()
        self.initStyleOption(option)
        sub = QStyle.SubControl
        option.subControls = sub.SC_GroupBoxLabel | sub.SC_GroupBoxFrame  # no check box
        box, style = QStyle.ComplexControl.CC_GroupBox, self.style()
        title = style.subControlRect(box, option, sub.SC_GroupBoxLabel, self)
        frame = style.subControlRect(box, option, sub.SC_GroupBoxFrame, self)
        arrow, line = QStyleOption(), QStyleOptionFrame()
        for part in (arrow, line):
            part.initFrom(self)
        line.rect, line.lineWidth = frame.adjusted(0, title.height() // 2, 0, 0), 1
        line.features = QStyleOptionFrame.FrameFeature.None_
        style.drawPrimitive(QStyle.PrimitiveElement.PE_FrameGroupBox, line, painter, self)
        arrow.rect = QRect(4, title.top() + (title.height() - 12) // 2, 12, 12)
        kind = QStyle.PrimitiveElement
        style.drawPrimitive(
            kind.PE_IndicatorArrowDown if self.isChecked() else kind.PE_IndicatorArrowRight, arrow, painter, self
        )
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        painter.drawText(QRect(20, title.top(), self.width() - 20, title.height()), 0, self.title())

    collapsed = Property(bool, lambda self: not self.isChecked(), lambda self, value: self.setChecked(not value))


class ctkExpandableWidget(QFrame):
    """A frame that the user can resize."""

    orientations = stored("orientations", int, int(Qt.Orientation.Vertical.value))
    sizeGripInside = stored("sizeGripInside", bool, True)
    sizeGripMargins = stored("sizeGripMargins", QSize, QSize())


class ctkPushButton(QPushButton):
    """A push button whose text and icon can be aligned."""

    buttonTextAlignment = stored("buttonTextAlignment", int, int(Qt.AlignmentFlag.AlignCenter.value))
    iconAlignment = stored("iconAlignment", int, int(Qt.AlignmentFlag.AlignLeft.value))
    elideMode = stored("elideMode", int, Qt.TextElideMode.ElideNone.value)


class ctkCheckablePushButton(ctkPushButton):
    """A push button with a check box."""

    checkBoxToggled = Signal(bool)

    indicatorAlignment = stored("indicatorAlignment", int, int(Qt.AlignmentFlag.AlignLeft.value))
    checkState = stored("checkState", int, Qt.CheckState.Unchecked.value)
    checkBoxControlsButton = stored("checkBoxControlsButton", bool, True)
    checkBoxControlsButtonToggleState = stored("checkBoxControlsButtonToggleState", bool, True)
    checkBoxUserCheckable = stored("checkBoxUserCheckable", bool, True)


class ctkCheckBox(QCheckBox):
    """A check box with its own indicator icon."""

    indicatorIcon = stored("indicatorIcon", QIcon, QIcon())
    indicatorIconSize = stored("indicatorIconSize", QSize, QSize())

    def __init__(self, parent=None):
        super().__init__(parent)


class ctkMenuButton(QPushButton):
    """A push button with a menu on its side."""


class ctkMessageBox(QMessageBox):
    """A message box with a "don't show again" check box."""

    dontShowAgain = stored("dontShowAgain", bool, False)
    dontShowAgainSettingsKey = stored("dontShowAgainSettingsKey", str, "")
    dontShowAgainVisible = stored("dontShowAgainVisible", bool, False)
