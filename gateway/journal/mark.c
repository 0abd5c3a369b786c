/* mark: names and positions that outlets keep beside their cursors (STATE_MARK); see journal.h */
